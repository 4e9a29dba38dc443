/// The metadata of one file, folder or link: a record of channel 5, and the answer to `stat`
/// (docs/PROTOCOL.md, "Files").
public struct FileEntry: Sendable, Equatable, Codable {
  /// The kind of entry.
  public enum Kind: String, Sendable, Codable {
    /// A regular file.
    case file
    /// A folder.
    case directory
    /// A symbolic link.
    case symlink
    /// A device, FIFO or socket: listed but never transferred.
    case other
  }

  /// The path, relative to the path that the request names.
  public var path: PathText
  /// The kind of entry.
  public var kind: Kind
  /// The length of a file in bytes.
  public var size: Int64?
  /// The permission bits, 0 to 0o7777.
  public var mode: UInt32?
  /// The time of the last modification, in nanoseconds since 1970.
  public var mtimeNS: Int128?
  /// The target of a link.
  public var link: PathText?
  /// The digest of a file, in lower-case hexadecimal.
  public var digest: String?

  /// An entry.
  package init(
    path: PathText, kind: Kind, size: Int64? = nil, mode: UInt32? = nil, mtimeNS: Int128? = nil,
    link: PathText? = nil, digest: String? = nil
  ) {
    self.path = path
    self.kind = kind
    self.size = size
    self.mode = mode
    self.mtimeNS = mtimeNS
    self.link = link
    self.digest = digest
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case path, kind, size, mode, link, digest
    case mtimeNS = "mtime_ns"
  }
}
