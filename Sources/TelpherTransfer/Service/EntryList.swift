package import TelpherFileStore
package import TelpherWire

/// Receives a listing: the client's side of `list`.
package enum EntryList {
  /// The approximate memory limit for a listing, in bytes: half a million entries with names of
  /// usual length. It protects the client from a server that lists without end.
  static let limit = 96 << 20
  /// The approximate size of an entry in bytes, without its path and its link target.
  private static let overhead = 160

  /// Receives the entries until the server ends the listing. Blocks; for a worker's thread.
  ///
  /// - Throws: `FileError`: `tooLarge` if the listing exceeds the limit; `protocolError`;
  ///   `canceled` or `lost` if the stream ends.
  package static func receive(from port: TransferPort) throws(FileError) -> [FileEntry] {
    try receive(from: port, limit: limit)
  }

  /// As `receive(from:)` with another limit, in bytes.
  static func receive(from port: TransferPort, limit: Int) throws(FileError) -> [FileEntry] {
    port.finish(.file)
    port.finish(.index)
    var reader = RecordReader()
    var entries: [FileEntry] = []
    var size = 0
    while let chunk = try port.receive(.index) {
      for record in try reader.read(chunk) {
        guard case .entry(let entry) = record else { continue }
        size += overhead + entry.path.bytes.count + (entry.link?.bytes.count ?? 0)
        guard size <= limit else {
          throw FileError(
            .tooLarge,
            "the listing takes more than \(limit >> 20) MiB (\(entries.count) entries so far): list its parts"
          )
        }
        entries.append(entry)
      }
    }
    return entries
  }
}
