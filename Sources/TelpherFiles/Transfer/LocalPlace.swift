internal import Glibc
internal import TelpherWire

/// A path of this machine as the root and the path below it that engines work with: what a user names
/// on a command line.
public struct LocalPlace: Sendable {
  /// The folder that holds it.
  public let root: Root
  /// Its name in there; the root itself where the contents of a folder are meant.
  public let path: RelativePath
  /// What it is called: the last part of what the user wrote; empty where contents are meant.
  public let name: [UInt8]
  /// Whether it is a folder.
  public let isFolder: Bool

  /// The place of a source, which must be there. A link that is named is followed; `.`, `/` and what
  /// ends in `/.` mean what the folder holds.
  ///
  /// - Throws: `FileError`.
  public init(source: [UInt8]) throws(FileError) {
    guard let bytes = Self.realPath(source) else {
      throw FileError("read", named: PathText(source).description, errno: errno)
    }
    let status = try Self.status(bytes, for: "read", named: source)
    isFolder = status.kind == .folder
    let written = Self.lastPart(of: source)
    if isFolder, written.isEmpty || written == [UInt8(ascii: ".")] {
      root = try Root(bytes)
      (path, name) = (.root, [])
      return
    }
    let (parent, last) = Self.split(bytes)
    root = try Root(parent)
    path = try RelativePath(last)
    name = written == Array("..".utf8) ? last : written
  }

  /// The place of a destination: the folder itself where it is there, so that things go into it; else
  /// the name in its folder.
  ///
  /// - Parameters:
  ///   - mustBeFolder: whether more than one thing goes there.
  ///   - makesParents: whether missing folders on the way are made.
  /// - Throws: `FileError`; `.noParent` where a folder on the way is missing; `.notAFile` where a
  ///   device, FIFO or socket is there, or a link to one.
  public init(
    destination: [UInt8], mustBeFolder: Bool, makesParents: Bool = false
  ) throws(FileError) {
    let shown = PathText(destination).description
    guard !destination.isEmpty else {
      throw FileError(.notFound, "the destination has no name", errno: ENOENT, path: shown)
    }
    let endsInSlash = destination.last == RelativePath.slash
    var status = try Self.statusIfThere(destination)
    if status == nil, makesParents {
      let isFolder = mustBeFolder || endsInSlash
      try Self.makeFolders(isFolder ? destination : Self.split(destination).folder)
      if isFolder { status = try Self.statusIfThere(destination) }
    }
    switch status?.kind {
    case .folder:
      root = try Root(unconfined: destination)
      (path, name, isFolder) = (.root, [], true)
      return
    case .other(let what):
      throw FileError(
        .notAFile, "cannot write '\(shown)': it is \(what), which is not replaced", path: shown)
    case .file, .link, nil: break
    }
    guard !mustBeFolder, !endsInSlash else {
      throw FileError(.notAFolder, "'\(shown)' is not a folder", path: shown)
    }
    let (parent, last) = Self.split(destination)
    do throws(FileError) {
      root = try Root(unconfined: parent)
    } catch  where error.errno == ENOENT {
      let parent = PathText(parent).description
      throw FileError(
        .noParent, "cannot write '\(shown)': the folder '\(parent)' is not there", errno: ENOENT,
        path: shown)
    }
    path = try RelativePath(last)
    (name, isFolder) = (last, false)
  }

  /// The folder and those that hold it.
  ///
  /// - Throws: `FileError`.
  package func lineage() throws(FileError) -> FolderLineage { try lineage(of: path) }

  /// The same of the folder that a destination is, or is in.
  ///
  /// - Throws: `FileError`.
  package func lineageOfFolder() throws(FileError) -> FolderLineage { try lineage(of: .root) }

  private func lineage(of path: RelativePath) throws(FileError) -> FolderLineage {
    do throws(FileError) {
      return try FolderLineage(of: root, path)
    } catch {
      throw error.naming(root: root.path)
    }
  }

  /// The names of what the folder holds.
  ///
  /// - Throws: `FileError`.
  package func names() throws(FileError) -> [[UInt8]] { try root.folder(path).names() }

  /// The last part of a path, trailing slashes aside.
  public static func lastPart(of path: [UInt8]) -> [UInt8] {
    let end = path.lastIndex { $0 != UInt8(ascii: "/") }.map { $0 + 1 } ?? 0
    return Array(path[..<end].split(separator: UInt8(ascii: "/")).last ?? [])
  }

  /// The folder and the name of a path without trailing slashes.
  private static func split(_ path: [UInt8]) -> (folder: [UInt8], name: [UInt8]) {
    guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else {
      return (Array(".".utf8), path)
    }
    let folder = slash == 0 ? [UInt8(ascii: "/")] : Array(path[..<slash])
    return (folder, Array(path[(slash + 1)...]))
  }

  /// Where all links are followed: realpath(3); nil with errno set.
  private static func realPath(_ path: [UInt8]) -> [UInt8]? {
    guard let real = path.withCPath({ realpath($0, nil) }) else { return nil }
    defer { free(real) }
    return Array(UnsafeRawBufferPointer(start: real, count: strlen(real)))
  }

  private static func status(
    _ path: [UInt8], for attempt: String, named: [UInt8]
  ) throws(FileError) -> FileStatus {
    var status = Glibc.stat()
    guard path.withCPath({ stat($0, &status) }) == 0 else {
      throw FileError(attempt, named: PathText(named).description, errno: errno)
    }
    return FileStatus(status)
  }

  private static func statusIfThere(_ path: [UInt8]) throws(FileError) -> FileStatus? {
    do throws(FileError) {
      return try status(path, for: "write", named: path)
    } catch  where error.errno == ENOENT || error.errno == ENOTDIR {
      return nil
    }
  }

  /// Makes the folder and those on the way that are missing, as mkdir(1) -p does.
  private static func makeFolders(_ path: [UInt8]) throws(FileError) {
    let slashes = path.indices.dropFirst().filter { path[$0] == RelativePath.slash }
    for end in slashes + [path.count] {
      let folder = Array(path[..<end])
      guard folder.withCPath({ mkdir($0, 0o777) }) != 0 else { continue }
      let error = errno
      // One that is there may be on a file system that can't be written to, too.
      if error == EEXIST { continue }
      if try statusIfThere(folder)?.kind == .folder { continue }
      throw FileError("make the folder", named: PathText(folder).description, errno: error)
    }
  }
}
