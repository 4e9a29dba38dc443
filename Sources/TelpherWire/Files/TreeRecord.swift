/// One line of channel 5 of a tree (docs/PROTOCOL.md, "Trees"). The sender numbers its entries from
/// 0 in the order in which it announces them.
package enum TreeRecord: Sendable, Equatable {
  /// From the sender: the next entry.
  case entry(FileEntry)
  /// From the sender: the next entries, files of one folder.
  case files(FileBatch)
  /// From the sender: bytes of a wanted file, or its end. From the receiver: the failure of an entry
  /// of any kind.
  case file(FilePart)
  /// From the sender: the digests of the file of number `first` and of those after it, one each.
  /// The files are as announced, and their complete contents come next on channel 4, one after the
  /// other.
  case whole(first: Int, digests: [String])
  /// From the sender: the folder of this number has no more entries.
  case leave(Int)
  /// From the sender: all entries have been announced, and these are their counts.
  case complete(TreeAnnouncement)
  /// From the receiver: send these entries, those that are files. With `after`, the receiver has
  /// the beginning of the file already.
  case want(EntryRun, after: FilePrefix?)
  /// From the receiver: these entries stay as they are, for this reason.
  case skip(EntryRun, SkipReason)
  /// From the receiver: these entries are in place.
  case stored(EntryRun)
  /// From the receiver, as its last record: the outcome of all entries.
  case settled(TreeCounts)
  /// A record of a later version. It is ignored.
  case unknown

  /// The failure of the entry `number`; -1 if it was not announced. `path` is for the user.
  package static func failure(_ number: Int, _ message: String, path: PathText?) -> TreeRecord {
    .file(FilePart(number, end: .failed(message, path: path)))
  }

  /// The longest message of a failure, in bytes: a sentence with a path, each byte of which may be
  /// escaped. The receiver repeats the sender's message together with a path, and that record must
  /// also fit into `maxLength`.
  static let maxMessageLength = 20 * 1024

  /// The longest record in bytes, including the newline. The longest one in practice announces
  /// several files: a folder's path of 4 KiB, each byte as six in JSON, and 32 KiB of names and
  /// numbers.
  package static let maxLength = 64 * 1024

  /// The record as one line of JSON with its newline. A failure message that is too long is cut.
  package func encoded() -> [UInt8] { JSONCoding.encode(self) + [UInt8(ascii: "\n")] }

  /// Decodes complete lines.
  ///
  /// - Throws: `WireError` if a line is not JSON of this shape or is longer than `maxLength`.
  package static func decode(lines: [UInt8]) throws(WireError) -> [TreeRecord] {
    try JSONCoding.decodeLines(
      TreeRecord.self, from: lines, longest: maxLength, name: "a record of channel 5")
  }
}

/// How a file changed while it was read.
public enum FileChange: String, Sendable, Codable {
  /// It grew. The sender sent what it held when it was opened.
  case grew
  /// Its bytes changed, so the sender read it again. It did not change during the last read.
  case reread
}

/// Consecutive entries of a tree.
package struct EntryRun: Sendable, Equatable {
  /// The number of the first entry.
  package var first: Int
  /// The number of entries.
  package var count: Int

  /// The `count` entries from number `first` on.
  package init(_ first: Int, count: Int = 1) {
    self.first = first
    self.count = count
  }
}

/// The beginning of a file that the receiver has from an earlier transfer.
package struct FilePrefix: Sendable, Equatable {
  /// Its length in bytes.
  package var length: Int64
  /// Its digest. If the sender's file begins otherwise, the sender sends all of it.
  package var digest: String

  /// A prefix of `length` bytes with this digest.
  package init(length: Int64, digest: String) {
    self.length = length
    self.digest = digest
  }
}

/// A part of a file that is being sent. `start`, `hole` and `data` apply in this order, and then
/// `end`.
package struct FilePart: Sendable, Equatable {
  /// The end of a file.
  package enum End: Sendable, Equatable {
    /// It is complete.
    case complete(FileCompletion)
    /// It could not be sent or stored, for this reason. `path` is for the user.
    case failed(String, path: PathText?)
  }

  /// The number of the entry; -1 for a failure of something that was not announced.
  package var number: Int
  /// The offset from which the sender sends: the one that the receiver requested, or 0.
  package var start: Int64?
  /// The next `hole` bytes of the file are zeros and are not sent.
  package var hole: Int64?
  /// The next `data` bytes on channel 4 belong to the file.
  package var data: Int64?
  /// The end of the file; nil if more follows.
  package var end: End?

  /// A part of the file of this number.
  package init(
    _ number: Int, start: Int64? = nil, hole: Int64? = nil, data: Int64? = nil, end: End? = nil
  ) {
    self.number = number
    self.start = start
    self.hole = hole
    self.data = data
    self.end = end
  }
}

/// What the sender reports at the end of a file.
package struct FileCompletion: Sendable, Equatable {
  /// The digest of the whole file.
  package var digest: String
  /// The size of the file when it was read, if it differs from the announced one.
  package var size: Int64?
  /// The permission bits, likewise.
  package var mode: UInt32?
  /// The time of the last modification, in nanoseconds since 1970, likewise.
  package var mtimeNS: Int128?
  /// How the file changed while it was read; nil if it did not.
  package var change: FileChange?

  /// The end of a file with this digest.
  package init(
    digest: String, size: Int64? = nil, mode: UInt32? = nil, mtimeNS: Int128? = nil,
    change: FileChange? = nil
  ) {
    self.digest = digest
    self.size = size
    self.mode = mode
    self.mtimeNS = mtimeNS
    self.change = change
  }
}
