// `ServerConfiguration` has properties of types from these modules.
@_exported public import TelpherAccess
@_exported public import TelpherLink
