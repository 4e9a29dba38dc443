/// What a client asks of the server's files: the keys of OPEN with one of the operations here
/// (docs/PROTOCOL.md, "Files").
public struct FileRequest: Sendable, Equatable, Codable {
  /// What is to be done.
  public enum Operation: String, Sendable, CaseIterable {
    /// Store one file.
    case put
    /// Send one file.
    case get
    /// Store files, folders and links.
    case putTree = "put_tree"
    /// Send files, folders and links.
    case getTree = "get_tree"
    /// Tell what a folder holds.
    case list
    /// Tell of one path.
    case stat
    /// Make a folder.
    case mkdir
    /// Remove.
    case rm
    /// Rename.
    case mv

    /// Whether it stores, changes or removes anything.
    public var changesFiles: Bool {
      switch self {
      case .put, .putTree, .mkdir, .rm, .mv: true
      case .get, .getTree, .list, .stat: false
      }
    }
  }

  /// What happens to a destination that is there already.
  public enum IfExists: String, Sendable, Codable, CaseIterable {
    /// It is replaced by the whole new one.
    case replace
    /// The request fails.
    case fail
    /// It stays, and that is no failure.
    case skip
    /// It is replaced if the new one's time is later; else it stays, and that is no failure.
    case newer
    /// It is replaced if its size or time is another one, or its digest with `compare_digests`; else it
    /// stays, and that is no failure.
    case changed
  }

  /// The digests that both sides know.
  public static let digests: Set<String> = ["xxh128", "sha256", "md5"]
  /// The digest where none is named.
  public static let defaultDigest = "xxh128"

  /// What is to be done.
  public var operation: Operation = .stat
  /// The file or folder: relative paths and `~` start in the home of the server's user, absolute ones in
  /// `/`; all of them in the server's root if it has one.
  public var path: PathText
  /// `mv`: the new path.
  public var to: PathText?
  /// `get_tree`: the name that stands for `path` in the records.
  public var name: PathText?
  /// `put`: how many bytes follow, where that is known.
  public var size: Int64?
  /// `put`, `mkdir`: the permission bits.
  public var mode: UInt32?
  /// `put`: the time of the last modification, in nanoseconds since 1970.
  public var mtimeNS: Int128?
  /// The algorithm of all digests of this stream.
  public var digest: String?
  /// Whether what an earlier transfer left is taken up.
  public var resume: Bool?
  /// What happens to a destination that is there already; `replace` where nil.
  public var ifExists: IfExists?
  /// Whether the result waits until it is on the disk; it does where nil.
  public var sync: Bool?
  /// `get`: the first byte that is wanted.
  public var offset: Int64?
  /// `get`: the digest of the bytes before `offset` that the client has.
  public var prefixDigest: String?
  /// Trees: whether an equal digest, and not size and time, makes a file unchanged.
  public var compareDigests: Bool?
  /// `mkdir`: whether missing parents are made, and a folder that is there is fine.
  public var parents: Bool?
  /// `rm`: whether a folder goes with all that it holds. `list`: whether folders below are listed too.
  public var recursive: Bool?
  /// `stat`: whether a link at the end of the path is followed. `put_tree`: whether a file that is put
  /// directly into `path` takes the place of the file that a link of its name leads to.
  public var follow: Bool?
  /// `stat`: whether the folder is told with those that hold it, as opaque names.
  public var ancestors: Bool?

  /// A request.
  public init(_ operation: Operation, _ path: PathText) {
    self.operation = operation
    self.path = path
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case path, to, name, size, mode, digest, resume, sync, offset, parents, recursive, follow
    case ancestors
    case mtimeNS = "mtime_ns"
    case ifExists = "if_exists"
    case prefixDigest = "prefix_digest"
    case compareDigests = "compare_digests"
  }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  /// The request itself where it makes sense.
  func validated() throws(WireError) -> FileRequest {
    func refuse(_ message: String) -> WireError {
      WireError(.protocolError, "\(operation.rawValue): \(message)")
    }
    for (key, value) in [("size", size), ("offset", offset)] {
      if let value, value < 0 || value > Int64(WireConstants.maxOffset) {
        throw refuse("'\(key)' is \(value), not between 0 and \(WireConstants.maxOffset)")
      }
    }
    if let mode, mode > 0o7777 { throw refuse("'mode' is \(mode), more than 4095 (07777)") }
    if let digest, !Self.digests.contains(digest) {
      throw refuse(
        "there is no digest '\(digest)', only \(Self.digests.sorted().joined(separator: ", "))")
    }
    if operation == .mv && to == nil { throw refuse("'to' is missing") }
    return self
  }
}
