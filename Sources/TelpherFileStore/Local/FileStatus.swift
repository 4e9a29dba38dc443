internal import Glibc

/// The status of a file, folder or link, from stat(2).
package struct FileStatus: Sendable, Equatable {
  /// The kind of an entry.
  package enum Kind: Sendable, Equatable {
    /// A regular file.
    case file
    /// A folder.
    case folder
    /// A symbolic link.
    case link
    /// Another kind, which is not transferred. The value is for messages: `a FIFO`, `a socket` or
    /// `a device`.
    case other(String)
  }

  /// The kind of the entry.
  package var kind: Kind
  /// The length in bytes; for a link, the length of its target path.
  package var size: Int64
  /// The storage in use, in bytes. It is less than `size` if the file has holes.
  package var allocated: Int64
  /// The permissions with the set-user-ID, set-group-ID and sticky bits: 0 to 0o7777.
  package var mode: UInt32
  /// The modification time (mtime) in nanoseconds since 1970; negative before 1970.
  package var modifiedNS: Int128
  /// The status change time (ctime) in nanoseconds since 1970. No program can set it.
  package var changedNS: Int128
  /// The device number of the file system.
  package var device: UInt64
  /// The inode number.
  package var inode: UInt64

  /// Creates a status from its parts.
  package init(
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

  /// The kind with its article, for messages.
  package var description: String {
    switch self {
    case .file: "a file"
    case .folder: "a folder"
    case .link: "a symbolic link"
    case .other(let name): name
    }
  }
}

extension timespec {
  /// The time in nanoseconds since 1970.
  var nanoseconds: Int128 { Int128(tv_sec) * 1_000_000_000 + Int128(tv_nsec) }

  /// The time `nanoseconds` after 1970, limited to the range of `timespec`.
  init(nanoseconds: Int128) {
    let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    // tv_nsec is never negative, even before 1970.
    self =
      rest < 0
      ? timespec(tv_sec: Int(clamping: seconds - 1), tv_nsec: Int(rest) + 1_000_000_000)
      : timespec(tv_sec: Int(clamping: seconds), tv_nsec: Int(rest))
  }

  /// Leaves a time unchanged: UTIME_OMIT of utimensat(2), a macro that Swift can't import.
  static var unchanged: timespec { timespec(tv_sec: 0, tv_nsec: (1 << 30) - 2) }
}
