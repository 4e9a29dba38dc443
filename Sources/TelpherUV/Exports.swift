// `UVLoop` takes a launcher, and its methods take and return types of the transport.
@_exported public import TelpherProcess
@_exported public import TelpherTransport
