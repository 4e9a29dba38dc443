// The public methods of the client take and return types of these modules. A program that imports only
// `TelpherClient` needs their members too (MemberImportVisibility), so each is exported. Nothing else
// comes with them: everything that docs/SWIFT.md does not list is `package`.

// `Token`, `TokenFile` and their errors.
@_exported public import TelpherAccess
// `FileError`, `DigestAlgorithm`.
@_exported public import TelpherFileStore
// `ExactText`, the name of an environment variable.
@_exported public import TelpherText
// `TransferOptions`, `TransferMeter` and what they report.
@_exported public import TelpherTransfer
// `EventLoop`, `Chunk`, addresses, `ResourceLimit`.
@_exported public import TelpherTransport
// `ByteText`, `PathText`, `FileEntry`, `TreeCounts`, `Hello`, `ServerInfo`.
@_exported public import TelpherWire
