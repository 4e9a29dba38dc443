internal import Glibc

/// What stat(2) tells of a file, folder or link.
public struct FileStatus: Sendable, Equatable {
  /// What a name stands for.
  public enum Kind: Sendable, Equatable {
    /// A regular file.
    case file
    /// A folder.
    case folder
    /// A symbolic link.
    case link
    /// What is not transferred; with its name in a sentence: `a FIFO`, `a socket`, `a device`.
    case other(String)
  }

  /// What it is.
  public var kind: Kind
  /// Its length in bytes; of a link, that of its target's path.
  public var size: Int64
  /// The bytes of storage it takes: less than `size` where it has holes.
  public var allocated: Int64
  /// The permissions, with set-user-ID, set-group-ID and sticky bit: 0 to 0o7777.
  public var mode: UInt32
  /// When its bytes last changed: nanoseconds since 1970, negative before.
  public var modifiedNS: Int128
  /// When anything of it last changed, which nobody can set: nanoseconds since 1970.
  public var changedNS: Int128
  /// The file system it is on.
  public var device: UInt64
  /// Its number there.
  public var inode: UInt64

  /// A status.
  public init(
    kind: Kind, size: Int64, allocated: Int64, mode: UInt32, modifiedNS: Int128, changedNS: Int128,
    device: UInt64, inode: UInt64
  ) {
    self.kind = kind
    self.size = size
    self.allocated = allocated
    self.mode = mode
    self.modifiedNS = modifiedNS
    self.changedNS = changedNS
    self.device = device
    self.inode = inode
  }

  init(_ status: stat) {
    self.init(
      kind: Kind(mode: status.st_mode), size: Int64(status.st_size),
      allocated: Int64(status.st_blocks) * 512, mode: status.st_mode & 0o7777,
      modifiedNS: status.st_mtim.nanoseconds, changedNS: status.st_ctim.nanoseconds,
      device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
  }
}

extension FileStatus.Kind {
  init(mode: mode_t) {
    switch mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .folder
    case S_IFLNK: self = .link
    case S_IFIFO: self = .other("a FIFO")
    case S_IFSOCK: self = .other("a socket")
    default: self = .other("a device")
    }
  }

  /// Its name in a sentence.
  var description: String {
    switch self {
    case .file: "a file"
    case .folder: "a folder"
    case .link: "a symbolic link"
    case .other(let name): name
    }
  }
}

extension timespec {
  /// Since 1970.
  var nanoseconds: Int128 { Int128(tv_sec) * 1_000_000_000 + Int128(tv_nsec) }

  /// The time `nanoseconds` after 1970; as far away as the system's own times go at most.
  init(nanoseconds: Int128) {
    let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    // The nanoseconds count upward, before 1970 too.
    self =
      rest < 0
      ? timespec(tv_sec: Int(clamping: seconds - 1), tv_nsec: Int(rest) + 1_000_000_000)
      : timespec(tv_sec: Int(clamping: seconds), tv_nsec: Int(rest))
  }

  /// Leaves the time of access as it is: UTIME_OMIT of utimensat(2), a macro that Swift lacks.
  static var unchanged: timespec { timespec(tv_sec: 0, tv_nsec: (1 << 30) - 2) }
}
