// The client's methods take and return types of these modules: chunks, addresses and loops of the
// transport, file entries and options, tokens, names, and the messages of the protocol.
@_exported public import TelpherAccess
@_exported public import TelpherFileStore
@_exported public import TelpherText
@_exported public import TelpherTransfer
@_exported public import TelpherTransport
@_exported public import TelpherWire
