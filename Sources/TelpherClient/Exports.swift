// Who imports the client gets the values that its methods take and return: chunks, addresses and
// loops of the transport, and the messages that a result tells of.
@_exported public import TelpherAccess
@_exported public import TelpherFiles
@_exported public import TelpherTransport
@_exported public import TelpherWire
