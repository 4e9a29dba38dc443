// The server's methods and `ServerConfiguration` have types of these modules.
@_exported public import TelpherAccess
@_exported public import TelpherFileStore
@_exported public import TelpherLink
@_exported public import TelpherTransfer
@_exported public import TelpherTransport
