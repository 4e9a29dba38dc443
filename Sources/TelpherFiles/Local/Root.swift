internal import CTelpherSys
internal import Glibc

/// The folder that everything is resolved below, by the kernel: openat2(2) with RESOLVE_BENEATH and
/// RESOLVE_NO_MAGICLINKS. Symlinks are followed as long as they stay inside; absolute ones never do.
///
/// All calls block, and may come from any thread.
public final class Root: Sendable {
  /// The folder, as it was named.
  public let path: String
  let descriptor: Descriptor

  /// Opens the folder.
  ///
  /// - Throws: `FileError` where it can't be opened; `.unsupported` where the kernel, or what filters
  ///   its calls, has no openat2.
  public convenience init(_ path: String) throws(FileError) {
    try self.init(path) { telpher_open_folder_beneath($0, ".", 1) }
  }

  /// The same with another `probe`, which opens the folder itself by openat2 or returns the negated
  /// errno.
  init(_ path: String, probe: (_ folder: Int32) -> Int32) throws(FileError) {
    let number = telpher_open_folder(path)
    guard number >= 0 else {
      let reason = String(cString: strerror(-number))
      throw FileError(
        .init(errno: -number), "cannot open the root '\(path)': \(reason)", errno: -number,
        path: path)
    }
    self.path = path
    descriptor = Descriptor(owning: number)
    let probed = probe(number)
    guard probed >= 0 else {
      let code = FileError.Code(errno: -probed)
      throw FileError(
        code == .notPermitted || -probed == EINVAL ? .unsupported : code,
        "cannot confine files to '\(path)': openat2(2), of Linux 5.6 or later, answers "
          + "'\(String(cString: strerror(-probed)))'",
        errno: -probed, path: path)
    }
    close(probed)
  }

  /// Opens an existing folder. Symlinks on the way are followed inside of the root.
  ///
  /// - Throws: `.notFound`, `.notAFolder`, `.notPermitted`, and `.badPath` where it leads out.
  public func folder(_ path: RelativePath) throws(FileError) -> Folder {
    let number = lookUpPath(path).withCPath {
      telpher_open_folder_beneath(descriptor.number, $0, 1)
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
      telpher_look_beneath(descriptor.number, $0, follows ? 1 : 0)
    }
    guard number >= 0 else { throw FileError(lookup: attempt, path, errno: -number) }
    return Descriptor(owning: number)
  }

  /// Opens a regular file, along symlinks inside of the root.
  func openFile(_ path: RelativePath) throws(FileError) -> SourceFile {
    // Looking first: opening alone would already do something to a device or to a FIFO's writer.
    let kind = try FileStatus(of: look(at: path, follows: true, for: "read"), "read", path).kind
    try SourceFile.check(kind, path)
    let number = lookUpPath(path).withCPath { telpher_open_file_beneath(descriptor.number, $0) }
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
