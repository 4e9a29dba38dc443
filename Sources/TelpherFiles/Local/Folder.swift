internal import CTelpherSys
internal import Glibc

/// An open folder below a root. Its methods take the name of something in it, a single component,
/// and never follow a symlink there unless they say so: `.badPath` where it is no such name.
///
/// It stays the same folder when somebody renames it or puts another one in its place. All calls
/// block, and may come from any thread.
public final class Folder: Sendable {
  /// Where it was opened, below the root.
  public let path: RelativePath
  let root: Root
  let descriptor: Descriptor

  init(root: Root, path: RelativePath, descriptor: consuming Descriptor) {
    self.root = root
    self.path = path
    self.descriptor = descriptor
  }

  /// What `name` is, a symlink itself; nil where there is nothing.
  ///
  /// - Throws: `FileError` where the system refuses.
  public func status(of name: [UInt8]) throws(FileError) -> FileStatus? {
    try check(name)
    var status = stat()
    let result = name.withCPath { fstatat(descriptor.number, $0, &status, AT_SYMLINK_NOFOLLOW) }
    if result == 0 { return FileStatus(status) }
    let error = errno
    guard error == ENOENT else { throw FileError("look at", shown(name), errno: error) }
    return nil
  }

  /// Opens a regular file to read, and nothing else: a device or FIFO is not touched. With
  /// `followsLink`, also what a symlink stands for, inside of the root.
  ///
  /// - Throws: `.notFound`, `.notAFile`, `.notPermitted`, and `.badPath` where a symlink leads out.
  public func openFile(
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
  /// - Throws: `.notFound`, `.notAFolder` (for a symlink too), `.notPermitted`.
  public func folder(_ name: [UInt8]) throws(FileError) -> Folder {
    let shown = try checked(name)
    let number = name.withCPath { telpher_open_child_folder(descriptor.number, $0) }
    guard number >= 0 else { throw FileError("open", shown, errno: -number) }
    return Folder(root: root, path: shown, descriptor: Descriptor(owning: number))
  }

  /// Opens the folder that `path`, which is below this folder, is in. No symlink is followed on the
  /// way from here to there.
  ///
  /// - Throws: `.notFound`, `.notAFolder`, `.notPermitted`, and `.badPath` where a symlink is on the
  ///   way.
  func parent(of path: RelativePath) throws(FileError) -> Folder {
    let parent = path.parent
    if parent == self.path { return self }
    let ownLength = self.path.isRoot ? 0 : self.path.bytes.count + 1
    return try folder(below: Array(parent.bytes.dropFirst(ownLength)))
  }

  /// Opens a folder farther below by a path without any symlink in it.
  func folder(below way: [UInt8]) throws(FileError) -> Folder {
    let shown = path.appending(unchecked: way)
    let number = way.withCPath { telpher_open_folder_beneath(descriptor.number, $0, 0) }
    guard number >= 0 else { throw FileError(lookup: "open", shown, errno: -number) }
    return Folder(root: root, path: shown, descriptor: Descriptor(owning: number))
  }

  /// What the symlink `name` stands for, whatever that is.
  ///
  /// - Throws: `.notFound`, and `.system` where it is no symlink (EINVAL).
  public func linkTarget(of name: [UInt8]) throws(FileError) -> [UInt8] {
    let shown = try checked(name)
    let target = name.withCPath { readLink(descriptor.number, $0) }
    guard let target else { throw FileError("read the link", shown, errno: errno) }
    return target
  }

  /// The names in the folder, sorted by bytes, without `.` and `..`. Partial files are among them.
  ///
  /// - Throws: `.notPermitted`, `.io`.
  public func names() throws(FileError) -> [[UInt8]] {
    // A position of its own: several threads may read the same folder.
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

  /// Writes the folder itself, its names, to the storage: fsync(2).
  ///
  /// - Throws: `.io` where that failed; `.notPermitted` where the folder may not be read.
  public func sync() throws(FileError) { try sync(try readable()) }

  /// The folder, open to read, for a `sync(_:)` that is to need no descriptor any more.
  ///
  /// - Throws: `.notPermitted` if the folder may not be read.
  func readable() throws(FileError) -> Descriptor {
    let number = telpher_open_at(descriptor.number, ".", O_RDONLY | O_DIRECTORY)
    guard number >= 0 else { throw FileError("sync", path, errno: -number) }
    return Descriptor(owning: number)
  }

  /// As `sync()`, by what `readable()` gave.
  ///
  /// - Throws: `.io`.
  func sync(_ readable: borrowing Descriptor) throws(FileError) {
    guard fsync(readable.number) == 0 else { throw FileError("sync", path, errno: errno) }
  }

  /// Writes all of the file system that this folder is on to the storage: syncfs(2).
  ///
  /// - Throws: as `sync()`.
  public func syncFileSystem() throws(FileError) { try syncFileSystem(try readable()) }

  private func syncFileSystem(_ readable: borrowing Descriptor) throws(FileError) {
    let result = telpher_sync_file_system(readable.number)
    guard result == 0 else { throw FileError("sync", path, errno: -result) }
  }

  /// The path of `name`, which is made sure to be one.
  func checked(_ name: [UInt8]) throws(FileError) -> RelativePath {
    try check(name)
    return shown(name)
  }

  /// Makes sure that `name` is one.
  func check(_ name: [UInt8]) throws(FileError) { try RelativePath.checkName(name, shown(name)) }

  /// The path of `name`.
  func shown(_ name: [UInt8]) -> RelativePath { path.appending(unchecked: name) }
}

/// What a symlink says: readlinkat(2); nil with errno set. An empty `name` is the open link itself.
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
