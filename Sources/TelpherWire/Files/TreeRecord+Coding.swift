/// The keys of each record, and how they combine:
///
///     entry: {…}                                           one entry
///     files: {…}                                           files of one folder
///     file: n  whole: […]                                  complete files from n on
///     file: n  [start] [hole] [data]                       a part of file n
///              [digest [size] [mode] [mtime_ns] [change]]  … and its end
///              [failed [path]]                             … or its failure
///     leave: n                                             the end of folder n
///     complete: {…}                                        the end of the announcements
///     want: n  [count] [offset] [prefix_digest]            the receiver's answers
///     skip: n  [count] [reason]
///     stored: n  [count]
///     settled: {…}
///
/// The first of these that applies is the meaning of a record; other keys are ignored.
extension TreeRecord: Codable {
  private enum CodingKeys: String, CodingKey {
    case entry, files, file, data, hole, digest, whole, size, mode, leave, want, skip, count, offset
    case start, failed, path, complete, stored, settled, reason, change
    case mtimeNS = "mtime_ns"
    case prefixDigest = "prefix_digest"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func value<Value: Decodable>(_ key: CodingKeys) throws -> Value? {
      try container.decodeIfPresent(Value.self, forKey: key)
    }
    func run(_ first: Int) throws -> EntryRun { EntryRun(first, count: try value(.count) ?? 1) }

    if container.contains(.entry) {
      self = .entry(try container.decode(FileEntry.self, forKey: .entry))
    } else if container.contains(.files) {
      self = .files(try container.decode(FileBatch.self, forKey: .files))
    } else if let number: Int = try value(.file) {
      if let digests: [String] = try value(.whole) {
        self = .whole(first: number, digests: digests)
      } else {
        self = .file(try Self.part(number, of: container))
      }
    } else if let number: Int = try value(.leave) {
      self = .leave(number)
    } else if let counts: TreeAnnouncement = try value(.complete) {
      self = .complete(counts)
    } else if let first: Int = try value(.want) {
      let (length, digest): (Int64?, String?) = (try value(.offset), try value(.prefixDigest))
      let hasPrefix = length != nil || digest != nil
      // Without a digest, the prefix matches no file.
      let prefix = hasPrefix ? FilePrefix(length: length ?? 0, digest: digest ?? "") : nil
      self = .want(try run(first), after: prefix)
    } else if let first: Int = try value(.skip) {
      self = .skip(try run(first), try value(.reason) ?? .unchanged)
    } else if let first: Int = try value(.stored) {
      self = .stored(try run(first))
    } else if let counts: TreeCounts = try value(.settled) {
      self = .settled(counts)
    } else {
      self = .unknown
    }
  }

  private static func part(
    _ number: Int, of container: KeyedDecodingContainer<CodingKeys>
  ) throws -> FilePart {
    func value<Value: Decodable>(_ key: CodingKeys) throws -> Value? {
      try container.decodeIfPresent(Value.self, forKey: key)
    }
    var part = FilePart(number)
    (part.start, part.hole, part.data) = (try value(.start), try value(.hole), try value(.data))
    var completion = FileCompletion(digest: "")
    (completion.size, completion.mode) = (try value(.size), try value(.mode))
    (completion.mtimeNS, completion.change) = (try value(.mtimeNS), try value(.change))
    let (digest, path): (String?, PathText?) = (try value(.digest), try value(.path))
    if let message: String = try value(.failed) {
      part.end = .failed(message, path: path)
    } else if let digest {
      completion.digest = digest
      part.end = .complete(completion)
    }
    return part
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    func encode(_ run: EntryRun, as key: CodingKeys) throws {
      try container.encode(run.first, forKey: key)
      try container.encode(run.count, forKey: .count)
    }
    switch self {
    case .entry(let entry): try container.encode(entry, forKey: .entry)
    case .files(let files): try container.encode(files, forKey: .files)
    case .file(let part): try Self.encode(part, into: &container)
    case .whole(let first, let digests):
      try container.encode(first, forKey: .file)
      try container.encode(digests, forKey: .whole)
    case .leave(let number): try container.encode(number, forKey: .leave)
    case .complete(let counts): try container.encode(counts, forKey: .complete)
    case .want(let run, after: nil): try encode(run, as: .want)
    case .want(let run, after: let prefix?):
      // A prefix is that of one file.
      try container.encode(run.first, forKey: .want)
      if run.count != 1 { try container.encode(run.count, forKey: .count) }
      try container.encode(prefix.length, forKey: .offset)
      try container.encode(prefix.digest, forKey: .prefixDigest)
    case .skip(let run, let reason):
      try encode(run, as: .skip)
      try container.encode(reason, forKey: .reason)
    case .stored(let run): try encode(run, as: .stored)
    case .settled(let counts): try container.encode(counts, forKey: .settled)
    case .unknown: break
    }
  }

  private static func encode(
    _ part: FilePart, into container: inout KeyedEncodingContainer<CodingKeys>
  ) throws {
    try container.encode(part.number, forKey: .file)
    try container.encodeIfPresent(part.start, forKey: .start)
    try container.encodeIfPresent(part.hole, forKey: .hole)
    try container.encodeIfPresent(part.data, forKey: .data)
    switch part.end {
    case nil: break
    case .complete(let completion):
      try container.encode(completion.digest, forKey: .digest)
      try container.encodeIfPresent(completion.size, forKey: .size)
      try container.encodeIfPresent(completion.mode, forKey: .mode)
      try container.encodeIfPresent(completion.mtimeNS, forKey: .mtimeNS)
      try container.encodeIfPresent(completion.change, forKey: .change)
    case .failed(let message, let path):
      try container.encode(message.cut(toUTF8: maxMessageLength), forKey: .failed)
      try container.encodeIfPresent(path, forKey: .path)
    }
  }
}
