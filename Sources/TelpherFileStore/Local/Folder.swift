internal import CTelpherSys
internal import Glibc

/// An open folder below a root. Its methods take the name of an entry, which must be a single
/// component (else they throw `.badPath`). They do not follow a symlink of that name unless their
/// documentation says so.
///
/// The object continues to refer to the same folder if that is renamed or replaced. All methods
/// block, and may be called from any thread.
package final class Folder: Sendable {
  /// The path below the root at which the folder was opened.
  package let path: RelativePath
  package let root: Root
  let descriptor: Descriptor

  init(root: Root, path: RelativePath, descriptor: consuming Descriptor) {
    self.root = root
    self.path = path
    self.descriptor = descriptor
  }

  /// The absolute path of the entry `name` at this moment, whether or not it exists. Without proc(5) it
  /// is the path below the root.
  package func absolutePath(of name: [UInt8]) -> [UInt8] {
    guard var folder = Root.openPath(descriptor.number), folder.first == RelativePath.slash else {
      return shown(name).bytes
    }
    if folder.last != RelativePath.slash { folder.append(RelativePath.slash) }
    return folder + name
  }

  /// Returns the status of `name`; of a symlink, that of the link itself. Nil if there is no entry.
  ///
  /// - Throws: `FileError` if fstatat(2) fails for another reason.
  package func status(of name: [UInt8]) throws(FileError) -> FileStatus? {
    try check(name)
    var status = stat()
    let result = name.withCPath { fstatat(descriptor.number, $0, &status, AT_SYMLINK_NOFOLLOW) }
    if result == 0 { return FileStatus(status) }
    let error = errno
    guard error == ENOENT else { throw FileError("read the status of", shown(name), errno: error) }
    return nil
  }

  /// Opens a regular file for reading. Other kinds, such as a device or FIFO, are not opened. With
  /// `followsLink`, follows a symlink; in a confined root only if it stays inside.
  ///
  /// - Throws: `.notFound`, `.notAFile`, `.notPermitted`, and `.badPath` if a symlink leads out of
  ///   the root.
  package func openFile(
    _ name: [UInt8], followsLink: Bool = false
  ) throws(FileError) -> SourceFile {
    let shown = shown(name)
    guard let status = try status(of: name) else {
      throw FileError("read", shown, errno: ENOENT)
    }
    if followsLink && status.kind == .link { return try root.openFile(shown) }
    try SourceFile.check(status.kind, shown)
    let number = name.withCPath { telpher_open_child_file(descriptor.number, $0) }
    guard number >= 0 else { throw FileError(lookup: "read", shown, errno: -number) }
    return try SourceFile(Descriptor(owning: number), path: shown)
  }

  /// Opens the folder `name`.
  ///
  /// - Throws: `.notFound`, `.notAFolder` (also for a symlink), `.notPermitted`.
  package func folder(_ name: [UInt8]) throws(FileError) -> Folder {
    let shown = try checked(name)
    let number = name.withCPath { telpher_open_child_folder(descriptor.number, $0) }
    guard number >= 0 else { throw FileError("open", shown, errno: -number) }
    return Folder(root: root, path: shown, descriptor: Descriptor(owning: number))
  }

  /// Opens the parent folder of `path`, which is below this folder. No symlink between this folder
  /// and the parent is followed.
  ///
  /// - Throws: `.notFound`, `.notAFolder`, `.notPermitted`, and `.badPath` if a component is a
  ///   symlink.
  package func parent(of path: RelativePath) throws(FileError) -> Folder {
    let parent = path.parent
    if parent == self.path { return self }
    let ownLength = self.path.isRoot ? 0 : self.path.bytes.count + 1
    return try folder(below: Array(parent.bytes.dropFirst(ownLength)))
  }

  /// Opens the folder at the relative path `way`, in which no component may be a symlink.
  func folder(below way: [UInt8]) throws(FileError) -> Folder {
    let shown = path.appending(unchecked: way)
    let number = way.withCPath { telpher_open_folder_beneath(descriptor.number, $0, 0) }
    guard number >= 0 else { throw FileError(lookup: "open", shown, errno: -number) }
    return Folder(root: root, path: shown, descriptor: Descriptor(owning: number))
  }

  /// Returns the target of the symlink `name`. The target need not exist.
  ///
  /// - Throws: `.notFound`, and `.system` if it is not a symlink (EINVAL).
  package func linkTarget(of name: [UInt8]) throws(FileError) -> [UInt8] {
    let shown = try checked(name)
    let target = name.withCPath { readLink(descriptor.number, $0) }
    guard let target else { throw FileError("read the link", shown, errno: errno) }
    return target
  }

  /// Returns the names of the entries, sorted by bytes, without `.` and `..`. Partial files are
  /// included.
  ///
  /// - Throws: `.notPermitted`, `.io`.
  package func names() throws(FileError) -> [[UInt8]] {
    // Reopen the folder for a separate read position: several threads may read it at once.
    let number = telpher_open_at(descriptor.number, ".", O_RDONLY | O_DIRECTORY)
    guard number >= 0 else { throw FileError("list", path, errno: -number) }
    guard let stream = fdopendir(number) else {
      let error = errno
      close(number)
      throw FileError("list", path, errno: error)
    }
    defer { closedir(stream) }
    var names: [[UInt8]] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        Array(bytes.prefix { $0 != 0 })
      }
      if name != [0x2E] && name != [0x2E, 0x2E] { names.append(name) }
    }
    guard errno == 0 else { throw FileError("list", path, errno: errno) }
    names.sort { $0.lexicographicallyPrecedes($1) }
    return names
  }

  /// Writes the folder's names to the storage with fsync(2).
  ///
  /// - Throws: `.io` if that failed; `.notPermitted` if the folder may not be read.
  package func sync() throws(FileError) { try sync(try readable()) }

  /// Opens the folder for reading, so that a later `sync(_:)` needs no new descriptor.
  ///
  /// - Throws: `.notPermitted` if the folder may not be read.
  package func readable() throws(FileError) -> Descriptor {
    let number = telpher_open_at(descriptor.number, ".", O_RDONLY | O_DIRECTORY)
    guard number >= 0 else { throw FileError("sync", path, errno: -number) }
    return Descriptor(owning: number)
  }

  /// As `sync()`, with a descriptor from `readable()`.
  ///
  /// - Throws: `.io`.
  package func sync(_ readable: borrowing Descriptor) throws(FileError) {
    guard fsync(readable.number) == 0 else { throw FileError("sync", path, errno: errno) }
  }

  /// The device number of the folder's file system; nil if fstat(2) fails.
  package var device: UInt64? {
    var status = stat()
    return fstat(descriptor.number, &status) == 0 ? UInt64(status.st_dev) : nil
  }

  /// Writes the whole file system of this folder to the storage with syncfs(2).
  ///
  /// - Throws: as `sync()`.
  package func syncFileSystem() throws(FileError) { try syncFileSystem(try readable()) }

  private func syncFileSystem(_ readable: borrowing Descriptor) throws(FileError) {
    let result = telpher_sync_file_system(readable.number)
    guard result == 0 else { throw FileError("sync", path, errno: -result) }
  }

  /// Checks that `name` is a valid name and returns its path.
  func checked(_ name: [UInt8]) throws(FileError) -> RelativePath {
    try check(name)
    return shown(name)
  }

  /// Checks that `name` is a valid name.
  func check(_ name: [UInt8]) throws(FileError) { try RelativePath.checkName(name, shown(name)) }

  /// Returns the path of `name`, for messages.
  func shown(_ name: [UInt8]) -> RelativePath { path.appending(unchecked: name) }
}

/// Returns the target of a symlink (readlinkat(2)); nil with errno set if that fails. With an empty
/// `name`, `folder` is the descriptor of the link itself.
func readLink(_ folder: Int32, _ name: UnsafePointer<CChar>) -> [UInt8]? {
  var count = 0
  let target = [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, filled in
    count = buffer.withMemoryRebound(to: CChar.self) {
      readlinkat(folder, name, $0.baseAddress!, $0.count)
    }
    filled = max(0, count)
  }
  return count < 0 ? nil : target
}
