public import TelpherWire

/// The client's side of `list`.
public enum EntryList {
  /// What a listing may take of this side's memory, in bytes, about: half a million entries with
  /// names of usual length. A server could list without end.
  static let limit = 96 << 20
  /// What an entry takes beside the bytes of its path and its link.
  private static let overhead = 160

  /// Receives what the server lists.
  ///
  /// - Throws: `FileError`: `tooLarge` if it is more than this side keeps.
  public static func receive(from port: TransferPort) throws(FileError) -> [FileEntry] {
    try receive(from: port, limit: limit)
  }

  /// The same with another limit, in bytes.
  static func receive(from port: TransferPort, limit: Int) throws(FileError) -> [FileEntry] {
    port.finish(.file)
    port.finish(.index)
    var reader = RecordReader()
    var entries: [FileEntry] = []
    var size = 0
    while let chunk = try port.receive(.index) {
      for entry in try reader.read(chunk).compactMap(\.entry) {
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
