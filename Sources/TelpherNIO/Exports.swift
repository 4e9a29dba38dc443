// The methods of `NIOLoop` take and return types of the transport.
@_exported public import TelpherTransport
