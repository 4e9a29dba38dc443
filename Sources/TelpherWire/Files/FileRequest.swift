/// A request about the server's files: the keys of an OPEN with one of the operations below
/// (docs/PROTOCOL.md, "Files").
public struct FileRequest: Sendable, Equatable, Codable {
  /// The operation.
  package enum Operation: String, Sendable, CaseIterable {
    /// Store one file.
    case put
    /// Send one file.
    case get
    /// Store files, folders and links.
    case putTree = "put_tree"
    /// Send files, folders and links.
    case getTree = "get_tree"
    /// List the entries of a folder.
    case list
    /// Describe one path.
    case stat
    /// Make a folder.
    case mkdir
    /// Remove a file or folder.
    case rm
    /// Rename a file or folder.
    case mv

    /// Whether the client sends the bytes of files.
    package var storesFiles: Bool {
      switch self {
      case .put, .putTree: true
      case .get, .getTree, .list, .stat, .mkdir, .rm, .mv: false
      }
    }

    /// Whether the server sends the bytes of files.
    package var sendsFiles: Bool {
      switch self {
      case .get, .getTree: true
      case .put, .putTree, .list, .stat, .mkdir, .rm, .mv: false
      }
    }

    /// Whether it stores, changes or removes anything.
    package var changesFiles: Bool {
      switch self {
      case .put, .putTree, .mkdir, .rm, .mv: true
      case .get, .getTree, .list, .stat: false
      }
    }
  }

  /// What the server does if the destination exists.
  public enum IfExists: String, Sendable, Codable, CaseIterable {
    /// Replace it, atomically, with the complete new file.
    case replace
    /// Fail the request.
    case fail
    /// Keep it and report success.
    case skip
    /// Replace it if the new file's modification time is later; otherwise keep it and report
    /// success.
    case newer
    /// Replace it if its size or modification time differs (with `compare_digests`, its digest);
    /// otherwise keep it and report success.
    case changed
  }

  /// The names of the supported digests.
  package static let digests: Set<String> = ["xxh128", "sha256", "md5"]

  /// A file or folder of a `get_tree` of several.
  package struct Source: Sendable, Equatable, Codable {
    /// The file or folder, as `FileRequest.path`.
    package var path: PathText
    /// The name that replaces `path` in the records.
    package var name: PathText

    /// A source.
    package init(_ path: PathText, as name: PathText) { (self.path, self.name) = (path, name) }
  }

  /// The operation.
  package var operation: Operation = .stat
  /// The file or folder. Relative paths and `~` start in the home of the server's user, absolute
  /// ones in `/`. If the server has a root, all paths are inside it.
  package var path: PathText
  /// `mv`: the new path.
  package var to: PathText?
  /// `get_tree`: the name that replaces `path` in the records. `put_tree`: the name that its only file
  /// gets if `path` is a folder; otherwise it becomes `path`. Its record has the last component of
  /// `path`.
  package var name: PathText?
  /// `get_tree`: further files and folders, which are sent after `path`. A failure of one of them,
  /// or of `path`, is then not that of the request.
  package var sources: [Source]?
  /// `put`: the number of bytes that follow, if known.
  package var size: Int64?
  /// `put`, `mkdir`: the permission bits.
  package var mode: UInt32?
  /// `put`: the time of the last modification, in nanoseconds since 1970.
  package var mtimeNS: Int128?
  /// The algorithm of all digests on this stream; `xxh128` if nil.
  package var digest: String?
  /// Whether the transfer continues from the partial file that an earlier one left.
  package var resume: Bool?
  /// What the server does if the destination exists; `replace` if nil.
  package var ifExists: IfExists?
  /// Whether the server flushes the data to disk before it sends the result; true if nil.
  package var sync: Bool?
  /// `get`: the offset of the first byte to send.
  package var offset: Int64?
  /// `get`: the digest of the bytes before `offset`, which the client has already.
  package var prefixDigest: String?
  /// Trees: whether files are compared by digest instead of by size and modification time.
  package var compareDigests: Bool?
  /// Trees: whether the sender may send files that the receiver has not asked for yet. Only for
  /// files that replace what exists.
  package var unasked: Bool?
  /// `mkdir`: whether to create missing parents and to accept an existing folder.
  package var parents: Bool?
  /// `rm`: whether to remove a folder with its contents. `list`: whether to list subfolders too.
  package var recursive: Bool?
  /// `stat`: whether to follow a link at the end of the path. `put_tree`: if a file goes directly
  /// into `path` and a link of that name exists, whether to replace the link's target instead of
  /// the link.
  package var follow: Bool?
  /// `stat`: whether the answer names the folder and all folders that contain it, as opaque
  /// strings.
  package var ancestors: Bool?

  /// A request.
  package init(_ operation: Operation, _ path: PathText) {
    self.operation = operation
    self.path = path
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case path, to, name, sources, size, mode, digest, resume, sync, offset, parents, recursive
    case follow, ancestors, unasked
    case mtimeNS = "mtime_ns"
    case ifExists = "if_exists"
    case prefixDigest = "prefix_digest"
    case compareDigests = "compare_digests"
  }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  /// Returns the request if its values are valid.
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
    if unasked == true, ifExists ?? .replace != .replace || resume == true || compareDigests == true
    {
      throw refuse("'unasked' needs files that replace what exists, from their beginning")
    }
    if operation == .mv && to == nil { throw refuse("'to' is missing") }
    return self
  }
}
