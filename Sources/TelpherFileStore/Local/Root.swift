internal import CTelpherSys
internal import Glibc
internal import TelpherText
internal import TelpherTransport

/// The folder that relative paths are resolved in.
///
/// In a confined root the kernel rejects every path that leads out of the folder: openat2(2) with
/// RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS. Symlinks are followed if they stay inside; absolute
/// symlinks count as leading out. In an unconfined root symlinks may lead anywhere that this
/// process has access.
///
/// All methods block, and may be called from any thread.
public final class Root: Sendable {
  /// The path that the folder was opened with, as displayed to the user.
  package let path: String
  /// Whether every path that leads out of the folder is rejected.
  package let isConfined: Bool
  let descriptor: Descriptor

  /// Opens the folder as a confined root.
  ///
  /// - Throws: `FileError` if it can't be opened; `.unsupported` if the kernel has no openat2(2),
  ///   or a system call filter (seccomp(2)) forbids it.
  public convenience init(_ path: [UInt8]) throws(FileError) {
    try self.init(path) { telpher_open_folder_beneath($0, ".", 1) }
  }

  /// As `init(_: [UInt8])`, with a path in UTF-8.
  public convenience init(_ path: String) throws(FileError) { try self.init(Array(path.utf8)) }

  /// As `init(_: [UInt8])`, with another `probe`. It opens the folder itself with openat2(2), and
  /// returns the descriptor or the negated errno.
  init(_ path: [UInt8], probe: (_ folder: Int32) -> Int32) throws(FileError) {
    descriptor = try Self.open(path)
    let shown = ShownText.path(path)
    self.path = shown
    isConfined = true
    let probed = probe(descriptor.number)
    if probed >= 0 {
      close(probed)
      return
    }
    // A kernel without the call, or a filter that forbids it, returns one of these. Other errors
    // concern the folder, for instance a missing search permission.
    let lacksCall = [ENOSYS, EPERM, EINVAL].contains(-probed)
    let reason = describe(errno: -probed)
    throw FileError(
      lacksCall ? .unsupported : .init(errno: -probed),
      lacksCall
        ? "cannot confine files to '\(shown)': openat2(2), which needs Linux 5.6, fails: \(reason)"
        : "cannot enter the root '\(shown)': \(reason)",
      errno: -probed, path: shown)
  }

  /// Opens the folder as an unconfined root.
  ///
  /// - Throws: `FileError` if it can't be opened.
  public init(unconfined path: [UInt8]) throws(FileError) {
    descriptor = try Self.open(path)
    self.path = ShownText.path(path)
    isConfined = false
  }

  private static func open(_ path: [UInt8]) throws(FileError) -> Descriptor {
    let number = path.withCPath { telpher_open_folder($0) }
    guard number >= 0 else {
      let shown = ShownText.path(path)
      let reason = describe(errno: -number)
      throw FileError(
        .init(errno: -number), "cannot open the folder '\(shown)': \(reason)", errno: -number,
        path: shown)
    }
    return Descriptor(owning: number)
  }

  /// Opens an existing folder. Symlinks in the path are followed; in a confined root they must stay
  /// inside.
  ///
  /// - Throws: `.notFound`, `.notAFolder`, `.notPermitted`, and `.badPath` if the path leads out of
  ///   the root.
  package func folder(_ path: RelativePath) throws(FileError) -> Folder {
    let number = lookUpPath(path).withCPath {
      isConfined
        ? telpher_open_folder_beneath(descriptor.number, $0, 1)
        : telpher_open_folder_from(descriptor.number, $0)
    }
    guard number >= 0 else { throw FileError(lookup: "open", path, errno: -number) }
    return Folder(root: self, path: path, descriptor: Descriptor(owning: number))
  }

  /// Opens the parent folder of `path`. `path` itself need not exist.
  ///
  /// - Throws: as `folder(_:)`; `.badPath` for the root itself.
  package func parent(of path: RelativePath) throws(FileError) -> Folder {
    guard !path.isRoot else {
      throw FileError(.badPath, "the path must be below the root, not the root itself", path: ".")
    }
    return try folder(path.parent)
  }

  /// Opens the entry at `path`, of any kind, only to read its status (O_PATH of open(2)). `attempt`
  /// is the verb of the message if that fails.
  func look(
    at path: RelativePath, follows: Bool, for attempt: String = "read the status of"
  ) throws(FileError) -> Descriptor {
    let number = lookUpPath(path).withCPath {
      isConfined
        ? telpher_look_beneath(descriptor.number, $0, follows ? 1 : 0)
        : telpher_look_from(descriptor.number, $0, follows ? 1 : 0)
    }
    guard number >= 0 else { throw FileError(lookup: attempt, path, errno: -number) }
    return Descriptor(owning: number)
  }

  /// Opens a regular file for reading. Symlinks are followed; in a confined root they must stay
  /// inside.
  package func openFile(_ path: RelativePath) throws(FileError) -> SourceFile {
    // Check the kind first: opening a device or a FIFO already has effects.
    let kind = try FileStatus(of: look(at: path, follows: true, for: "read"), "read", path).kind
    try SourceFile.check(kind, path)
    let number = lookUpPath(path).withCPath {
      isConfined
        ? telpher_open_file_beneath(descriptor.number, $0)
        : telpher_open_at(descriptor.number, $0, O_RDONLY | O_NONBLOCK | O_NOCTTY)
    }
    guard number >= 0 else { throw FileError(lookup: "read", path, errno: -number) }
    return try SourceFile(Descriptor(owning: number), path: path)
  }

  private func lookUpPath(_ path: RelativePath) -> [UInt8] {
    path.isRoot ? [UInt8(ascii: ".")] : path.bytes
  }
}

extension FileStatus {
  /// The status of an open descriptor.
  init(
    of descriptor: borrowing Descriptor, _ attempt: String, _ path: RelativePath
  ) throws(FileError) {
    var status = stat()
    guard fstat(descriptor.number, &status) == 0 else {
      throw FileError(attempt, path, errno: errno)
    }
    self.init(status)
  }
}

extension FileError {
  /// An error of openat2(2), for which EXDEV and ELOOP have special meanings.
  init(lookup attempt: String, _ path: RelativePath, errno: Int32) {
    switch errno {
    case EXDEV:
      self.init(.badPath, attempt, path, "a symbolic link leads out of the root")
    case ELOOP:
      self.init(.badPath, attempt, path, "a symbolic link in it may not be followed")
    default:
      self.init(attempt, path, errno: errno)
      return
    }
    self.errno = errno
  }
}
