// A server's configuration holds that of its connections.
@_exported public import TelpherAccess
@_exported public import TelpherLink
