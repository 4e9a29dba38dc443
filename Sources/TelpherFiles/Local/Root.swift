internal import CTelpherSys
internal import Glibc
internal import TelpherWire

/// The folder that paths are resolved from, by the kernel.
///
/// A confined root holds everything: openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS.
/// Symlinks are followed as long as they stay inside; absolute ones never do. From an unconfined root
/// symlinks lead wherever this process may go.
///
/// All calls block, and may come from any thread.
public final class Root: Sendable {
  /// The folder as it was named, for a person.
  public let path: String
  /// Whether no path leads out of the folder.
  public let isConfined: Bool
  let descriptor: Descriptor

  /// Opens the folder as a confined root.
  ///
  /// - Throws: `FileError` where it can't be opened; `.unsupported` where the kernel, or what filters
  ///   its calls, has no openat2.
  public convenience init(_ path: [UInt8]) throws(FileError) {
    try self.init(path) { telpher_open_folder_beneath($0, ".", 1) }
  }

  /// The same with a path in UTF-8.
  public convenience init(_ path: String) throws(FileError) { try self.init(Array(path.utf8)) }

  /// The same with another `probe`, which opens the folder itself by openat2 or returns the negated
  /// errno.
  init(_ path: [UInt8], probe: (_ folder: Int32) -> Int32) throws(FileError) {
    descriptor = try Self.open(path)
    let shown = PathText(path).description
    self.path = shown
    isConfined = true
    let probed = probe(descriptor.number)
    if probed >= 0 {
      close(probed)
      return
    }
    // What a kernel answers that lacks the call, or a filter that forbids it. Else the folder is to
    // blame: one that may not be entered, for instance.
    let lacksCall = [ENOSYS, EPERM, EINVAL].contains(-probed)
    let reason = String(cString: strerror(-probed))
    throw FileError(
      lacksCall ? .unsupported : .init(errno: -probed),
      lacksCall
        ? "cannot confine files to '\(shown)': openat2(2), of Linux 5.6 or later, answers '\(reason)'"
        : "cannot enter the root '\(shown)': \(reason)",
      errno: -probed, path: shown)
  }

  /// Opens the folder as an unconfined root.
  ///
  /// - Throws: `FileError` where it can't be opened.
  public init(unconfined path: [UInt8]) throws(FileError) {
    descriptor = try Self.open(path)
    self.path = PathText(path).description
    isConfined = false
  }

  private static func open(_ path: [UInt8]) throws(FileError) -> Descriptor {
    let number = path.withCPath { telpher_open_folder($0) }
    guard number >= 0 else {
      let shown = PathText(path).description
      let reason = String(cString: strerror(-number))
      throw FileError(
        .init(errno: -number), "cannot open the root '\(shown)': \(reason)", errno: -number,
        path: shown)
    }
    return Descriptor(owning: number)
  }

  /// Opens an existing folder. Symlinks on the way are followed inside of the root.
  ///
  /// - Throws: `.notFound`, `.notAFolder`, `.notPermitted`, and `.badPath` where it leads out.
  public func folder(_ path: RelativePath) throws(FileError) -> Folder {
    let number = lookUpPath(path).withCPath {
      isConfined
        ? telpher_open_folder_beneath(descriptor.number, $0, 1)
        : telpher_open_folder_from(descriptor.number, $0)
    }
    guard number >= 0 else { throw FileError(lookup: "open", path, errno: -number) }
    return Folder(root: self, path: path, descriptor: Descriptor(owning: number))
  }

  /// Opens the folder that `path` is in, or would be.
  ///
  /// - Throws: as `folder(_:)`; `.badPath` for the root itself, which has no name in any folder.
  public func parent(of path: RelativePath) throws(FileError) -> Folder {
    guard !path.isRoot else {
      throw FileError(.badPath, "a name below the root is wanted, not the root itself", path: ".")
    }
    return try folder(path.parent)
  }

  /// Opens whatever is at `path` to look at it, without touching it.
  func look(
    at path: RelativePath, follows: Bool, for attempt: String = "look at"
  ) throws(FileError) -> Descriptor {
    let number = lookUpPath(path).withCPath {
      isConfined
        ? telpher_look_beneath(descriptor.number, $0, follows ? 1 : 0)
        : telpher_look_from(descriptor.number, $0, follows ? 1 : 0)
    }
    guard number >= 0 else { throw FileError(lookup: attempt, path, errno: -number) }
    return Descriptor(owning: number)
  }

  /// Opens a regular file, along symlinks inside of the root.
  func openFile(_ path: RelativePath) throws(FileError) -> SourceFile {
    // Looking first: opening alone would already do something to a device or to a FIFO's writer.
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
  /// Of what is open.
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
  /// What openat2(2) answered, whose numbers have meanings of their own.
  init(lookup attempt: String, _ path: RelativePath, errno: Int32) {
    switch errno {
    case EXDEV:
      self.init(.badPath, attempt, path, "a symbolic link leads out of the root")
    case ELOOP:
      self.init(.badPath, attempt, path, "a symbolic link that may not be followed is on the way")
    default:
      self.init(attempt, path, errno: errno)
      return
    }
    self.errno = errno
  }
}
