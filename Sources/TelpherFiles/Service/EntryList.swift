public import TelpherWire

/// The client's side of `list`.
public enum EntryList {
  /// Entries that are taken at most: who has more in one folder asks for its parts.
  public static let limit = 1_000_000

  /// Receives what the server lists.
  ///
  /// - Throws: `FileError`.
  public static func receive(from port: TransferPort) throws(FileError) -> [FileEntry] {
    port.finish(.file)
    port.finish(.index)
    var reader = RecordReader()
    var entries: [FileEntry] = []
    while let chunk = try port.receive(.index) {
      entries += try reader.read(chunk).compactMap(\.entry)
      guard entries.count <= limit else {
        throw FileError(.tooLarge, "the folder has more than \(limit) entries")
      }
    }
    return entries
  }
}
