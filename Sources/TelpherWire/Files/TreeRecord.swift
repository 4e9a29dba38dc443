/// One line of channel 5 of a tree (docs/PROTOCOL.md, "Trees"). The sender numbers its entries from
/// 0 in the order in which it announces them.
public struct TreeRecord: Sendable, Equatable, Codable {
  /// From the sender: the next entry.
  public var entry: FileEntry?
  /// From the sender: the next entries, files of one folder.
  public var files: FileBatch?
  /// The number of the entry that the record is about.
  public var file: Int?
  /// From the sender: so many of the file's bytes come next on channel 4.
  public var data: Int64?
  /// From the sender: so many zeros come next in the file, which are not sent.
  public var hole: Int64?
  /// From the sender: the file is whole, and this is its digest.
  public var digest: String?
  /// From the sender: this file and those behind it, one for each digest, are whole: as announced, and
  /// with all of their bytes one after the other next on channel 4.
  public var whole: [String]?
  /// From the sender, with `digest`: what the file was when it was read, where that is not as
  /// announced.
  public var size: Int64?
  /// See `size`.
  public var mode: UInt32?
  /// See `size`.
  public var mtimeNS: Int128?
  /// From the sender, with `digest`: the file changed while it was read.
  public var change: Change?
  /// From the sender: the folder of this number has no more entries.
  public var leave: Int?
  /// From the sender: all entries are announced, and these are their numbers.
  public var complete: TreeAnnouncement?
  /// From the receiver: it wants the file of this number, and `count - 1` behind it.
  public var want: Int?
  /// From the receiver: the entry of this number, and `count - 1` after it, stay as they are.
  public var skip: Int?
  /// With `skip`: why.
  public var reason: SkipReason?
  /// From the receiver: the entry of this number, and `count - 1` after it, are in their place.
  public var stored: Int?
  /// How many entries `want`, `skip` and `stored` are about; 1 if nil.
  public var count: Int?
  /// From the receiver, its last record: what became of all entries.
  public var settled: TreeCounts?
  /// From the receiver, with `want`: how many of the bytes it has already.
  public var offset: Int64?
  /// From the receiver: the digest of those. The sender compares it, and answers with `start`.
  public var prefixDigest: String?
  /// From the sender: from which offset on it sends: the one that was asked for, or 0.
  public var start: Int64?
  /// From either side: the entry `file` could not be sent or stored, and this is why.
  public var failed: String?
  /// With `failed`: the path, for a person.
  public var path: PathText?

  /// How a file changed while it was read.
  public enum Change: String, Sendable, Codable {
    /// It grew. What was sent is what it held when it was opened.
    case grew
    /// Its bytes changed, so it was read anew, and what was sent last held still.
    case reread
  }

  /// A record with nothing in it yet.
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
    // Entries are all of their record.
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

  /// Bytes of the longest message of a failure: a sentence with a path in it, each byte of which may be
  /// escaped. The receiver repeats the sender's, and is to stay below `maxLength` with a path beside it.
  private static let maxMessageLength = 20 * 1024

  /// The record as a line, its end included; a message that is too long for that is cut.
  public func encoded() -> [UInt8] {
    var bounded = self
    bounded.failed = failed?.cut(toUTF8: Self.maxMessageLength)
    return JSONCoding.encode(bounded) + [UInt8(ascii: "\n")]
  }

  /// Bytes of the longest record, its line's end included. The longest that is written is one of
  /// several files: their folder's path of 4 KiB, each byte of it as six of JSON, and 32 KiB of names
  /// and numbers.
  public static let maxLength = 64 * 1024

  /// Reads whole lines.
  ///
  /// - Throws: `WireError` where they are not JSON of this shape, or one is longer than `maxLength`.
  public static func decode(lines: [UInt8]) throws(WireError) -> [TreeRecord] {
    try JSONCoding.decodeLines(
      TreeRecord.self, from: lines, longest: maxLength, name: "a record of channel 5")
  }
}
