/// One line of channel 5 of a tree (docs/PROTOCOL.md, "Trees"). The sender numbers its entries from
/// 0 in the order in which it announces them.
public struct TreeRecord: Sendable, Equatable, Codable {
  /// From the sender: the next entry.
  public var entry: FileEntry?
  /// From the sender: the next entries, files of one folder.
  public var files: FileBatch?
  /// The number of the entry that the record is about.
  public var file: Int?
  /// From the sender: the next `data` bytes on channel 4 belong to the file.
  public var data: Int64?
  /// From the sender: the next `hole` bytes of the file are zeros and are not sent.
  public var hole: Int64?
  /// From the sender: the file is complete, and this is its digest.
  public var digest: String?
  /// From the sender: the digests of this file and of those after it, one each. The files are as
  /// announced, and their complete contents come next on channel 4, one after the other.
  public var whole: [String]?
  /// From the sender, with `digest`: the file's size when it was read, if it differs from the
  /// announced one.
  public var size: Int64?
  /// See `size`.
  public var mode: UInt32?
  /// See `size`.
  public var mtimeNS: Int128?
  /// From the sender, with `digest`: how the file changed while it was read.
  public var change: Change?
  /// From the sender: the folder of this number has no more entries.
  public var leave: Int?
  /// From the sender: all entries have been announced, and these are their counts.
  public var complete: TreeAnnouncement?
  /// From the receiver: send the file of this number and the `count - 1` files after it.
  public var want: Int?
  /// From the receiver: the entry of this number and the `count - 1` after it stay as they are.
  public var skip: Int?
  /// With `skip`: the reason.
  public var reason: SkipReason?
  /// From the receiver: the entry of this number and the `count - 1` after it are in place.
  public var stored: Int?
  /// The number of entries that `want`, `skip` or `stored` is about; 1 if nil.
  public var count: Int?
  /// From the receiver, as its last record: the outcome of all entries.
  public var settled: TreeCounts?
  /// From the receiver, with `want`: the number of bytes that it has already.
  public var offset: Int64?
  /// From the receiver: the digest of those bytes. The sender compares it and answers with `start`.
  public var prefixDigest: String?
  /// From the sender: the offset from which it sends: the requested one, or 0.
  public var start: Int64?
  /// From either side: the reason why the entry `file` could not be sent or stored.
  public var failed: String?
  /// With `failed`: the path, for the user.
  public var path: PathText?

  /// How a file changed while it was read.
  public enum Change: String, Sendable, Codable {
    /// It grew. The sender sent what it held when it was opened.
    case grew
    /// Its bytes changed, so the sender read it again. It did not change during the last read.
    case reread
  }

  /// An empty record.
  public init() {}

  /// A record that announces an entry.
  public init(entry: FileEntry) { self.entry = entry }

  /// A record about the entry of number `file`.
  public init(file: Int) { self.file = file }

  enum CodingKeys: String, CodingKey {
    case entry, files, file, data, hole, digest, whole, size, mode, leave, want, skip, count, offset
    case start, failed, path, complete, stored, settled, reason, change
    case mtimeNS = "mtime_ns"
    case prefixDigest = "prefix_digest"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    // A record with an entry has no other keys.
    if container.contains(.entry) {
      entry = try container.decode(FileEntry.self, forKey: .entry)
      return
    }
    if container.contains(.files) {
      files = try container.decode(FileBatch.self, forKey: .files)
      return
    }
    func value<Value: Decodable>(_ key: CodingKeys) throws -> Value? {
      try container.decodeIfPresent(Value.self, forKey: key)
    }
    file = try value(.file)
    if file != nil {
      whole = try value(.whole)
      if whole != nil { return }
      (data, hole, digest) = (try value(.data), try value(.hole), try value(.digest))
      (size, mode, mtimeNS) = (try value(.size), try value(.mode), try value(.mtimeNS))
      (start, failed, path) = (try value(.start), try value(.failed), try value(.path))
      change = try value(.change)
      return
    }
    (leave, complete) = (try value(.leave), try value(.complete))
    (want, skip, count) = (try value(.want), try value(.skip), try value(.count))
    (stored, settled, reason) = (try value(.stored), try value(.settled), try value(.reason))
    (offset, prefixDigest) = (try value(.offset), try value(.prefixDigest))
  }

  /// The longest message of a failure, in bytes: a sentence with a path, each byte of which may be
  /// escaped. The receiver repeats the sender's message together with a path, and that record must
  /// also fit into `maxLength`.
  private static let maxMessageLength = 20 * 1024

  /// The record as one line of JSON with its newline. A failure message that is too long is cut.
  public func encoded() -> [UInt8] {
    var bounded = self
    bounded.failed = failed?.cut(toUTF8: Self.maxMessageLength)
    return JSONCoding.encode(bounded) + [UInt8(ascii: "\n")]
  }

  /// The longest record in bytes, including the newline. The longest one in practice announces
  /// several files: a folder's path of 4 KiB, each byte as six in JSON, and 32 KiB of names and
  /// numbers.
  public static let maxLength = 64 * 1024

  /// Decodes complete lines.
  ///
  /// - Throws: `WireError` if a line is not JSON of this shape or is longer than `maxLength`.
  public static func decode(lines: [UInt8]) throws(WireError) -> [TreeRecord] {
    try JSONCoding.decodeLines(
      TreeRecord.self, from: lines, longest: maxLength, name: "a record of channel 5")
  }
}
