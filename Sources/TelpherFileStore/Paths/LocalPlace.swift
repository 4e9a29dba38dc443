internal import Glibc
internal import TelpherText

/// A path on this machine that a user names as a destination, as a root and a path below it.
package struct LocalPlace: Sendable {
  /// The destination itself if it is a folder, else its parent folder.
  package let root: Root
  /// The path below the root; the root itself if the destination is a folder.
  package let path: RelativePath
  /// The name that the source gets; empty if the destination is a folder.
  package let name: [UInt8]
  /// Whether it is a folder.
  package let isFolder: Bool
  /// Whether nothing was there.
  package let isFree: Bool

  /// Resolves a destination. An existing folder becomes the root, and entries go into it. Else the
  /// root is the parent folder.
  ///
  /// - Parameters:
  ///   - mustBeFolder: whether the destination must be a folder, because several entries go there.
  ///   - makesParents: whether to make missing parent folders.
  /// - Throws: `FileError`: `.noParent` if the parent folder is missing, or a destination that must
  ///   be a folder; `.notAFolder` if the destination must be a folder, or ends in a slash, and is
  ///   none; `.notAFile` if a device, FIFO
  ///   or socket is there, or a link to one.
  package init(
    destination: [UInt8], mustBeFolder: Bool, makesParents: Bool = false
  ) throws(FileError) {
    let shown = ShownText.path(destination)
    guard !destination.isEmpty else {
      throw FileError(.notFound, "the destination is an empty path", errno: ENOENT, path: shown)
    }
    let endsInSlash = destination.last == RelativePath.slash
    var status = try Self.statusIfThere(destination)
    if status == nil, makesParents {
      let isFolder = mustBeFolder || endsInSlash
      try Self.makeFolders(isFolder ? destination : Self.split(destination).folder)
      if isFolder { status = try Self.statusIfThere(destination) }
    }
    isFree = status == nil
    switch status?.kind {
    case .folder:
      root = try Root(unconfined: destination)
      (path, name, isFolder) = (.root, [], true)
      return
    case .other(let what):
      throw FileError(
        .notAFile, "cannot write '\(shown)': it is \(what), and only files are replaced",
        path: shown)
    case .file, .link, nil: break
    }
    guard !mustBeFolder, !endsInSlash else {
      guard status != nil else {
        throw FileError(
          .noParent, "the folder '\(shown)' does not exist", errno: ENOENT, path: shown)
      }
      throw FileError(.notAFolder, "'\(shown)' is not a folder", path: shown)
    }
    let (parent, last) = Self.split(destination)
    do throws(FileError) {
      root = try Root(unconfined: parent)
    } catch  where error.errno == ENOTDIR {
      throw FileError(
        .notAFolder, "cannot write '\(shown)': '\(ShownText.path(parent))' is not a folder",
        errno: ENOTDIR, path: shown)
    } catch  where error.errno == ENOENT {
      let parent = ShownText.path(parent)
      throw FileError(
        .noParent, "cannot write '\(shown)': the folder '\(parent)' does not exist", errno: ENOENT,
        path: shown)
    }
    path = try RelativePath(last)
    (name, isFolder) = (last, false)
  }

  /// The folder that entries are stored in, and its ancestors.
  ///
  /// - Throws: `FileError`.
  package func lineageOfFolder() throws(FileError) -> FolderLineage {
    do throws(FileError) {
      return try FolderLineage(of: root, .root)
    } catch {
      throw error.naming(root: root.path)
    }
  }

  /// The last component of a path, without trailing slashes.
  package static func lastPart(of path: [UInt8]) -> [UInt8] {
    let end = path.lastIndex { $0 != UInt8(ascii: "/") }.map { $0 + 1 } ?? 0
    return Array(path[..<end].split(separator: UInt8(ascii: "/")).last ?? [])
  }

  /// Splits a path without trailing slashes into its folder and its name.
  package static func split(_ path: [UInt8]) -> (folder: [UInt8], name: [UInt8]) {
    guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else {
      return (Array(".".utf8), path)
    }
    let folder = slash == 0 ? [UInt8(ascii: "/")] : Array(path[..<slash])
    return (folder, Array(path[(slash + 1)...]))
  }

  package static func status(
    _ path: [UInt8], for attempt: String, named: [UInt8]
  ) throws(FileError) -> FileStatus {
    var status = Glibc.stat()
    guard path.withCPath({ stat($0, &status) }) == 0 else {
      throw FileError(attempt, named: ShownText.path(named), errno: errno)
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

  /// Makes the folder and its missing parents, as `mkdir -p` does.
  private static func makeFolders(_ path: [UInt8]) throws(FileError) {
    let slashes = path.indices.dropFirst().filter { path[$0] == RelativePath.slash }
    for end in slashes + [path.count] {
      let folder = Array(path[..<end])
      guard folder.withCPath({ mkdir($0, 0o777) }) != 0 else { continue }
      let error = errno
      // For an existing folder, mkdir(2) may also fail with other errors, such as EROFS.
      if error == EEXIST { continue }
      if try statusIfThere(folder)?.kind == .folder { continue }
      throw FileError("make the folder", named: ShownText.path(folder), errno: error)
    }
  }
}
