internal import Glibc
internal import TelpherText

/// A path on this machine that a user names as a source. It holds nothing open, so there may be any
/// number of them.
package struct LocalSource: Sendable {
  /// The path of the parent folder; the folder itself if its contents are meant.
  package let folder: [UInt8]
  /// The name in the folder; the root path if the contents of the folder are meant.
  package let path: RelativePath
  /// The last component of the path as the user wrote it; empty if the contents of a folder are
  /// meant.
  package let name: [UInt8]
  /// Its status when it was resolved.
  package let status: FileStatus

  /// Whether it is a folder.
  package var isFolder: Bool { status.kind == .folder }

  /// Resolves a source, which must exist. A symlink is followed. `.`, `/` and a path that ends in
  /// `/.` mean the contents of the folder.
  ///
  /// - Throws: `FileError` if it does not exist.
  package init(_ source: [UInt8]) throws(FileError) {
    var own = stat()
    if source.withCPath({ lstat($0, &own) }) == 0, own.st_mode & S_IFMT == S_IFREG {
      // It needs no resolution, which is a large part of the time for a small file.
      let (parent, last) = LocalPlace.split(source)
      (folder, path, name) = (parent, try RelativePath(last), last)
      status = FileStatus(own)
      return
    }
    guard let bytes = Self.realPath(source) else {
      throw FileError("read", named: ShownText.path(source), errno: errno)
    }
    status = try LocalPlace.status(bytes, for: "read", named: source)
    let written = LocalPlace.lastPart(of: source)
    if status.kind == .folder, written.isEmpty || written == [UInt8(ascii: ".")] {
      (folder, path, name) = (bytes, .root, [])
      return
    }
    let (parent, last) = LocalPlace.split(bytes)
    (folder, path) = (parent, try RelativePath(last))
    name = written == Array("..".utf8) ? last : written
  }

  /// The folder and its ancestors.
  ///
  /// - Throws: `FileError`.
  package func lineage() throws(FileError) -> FolderLineage {
    let root = try Root(folder)
    do throws(FileError) {
      return try FolderLineage(of: root, path)
    } catch {
      throw error.naming(root: root.path)
    }
  }

  /// The names of the folder's entries, sorted by bytes.
  ///
  /// - Throws: `FileError` if it can't be read.
  package func names() throws(FileError) -> [[UInt8]] { try Root(folder).folder(path).names() }

  /// Resolves all symlinks with realpath(3); nil with errno set if that fails.
  private static func realPath(_ path: [UInt8]) -> [UInt8]? {
    guard let real = path.withCPath({ realpath($0, nil) }) else { return nil }
    defer { free(real) }
    return Array(UnsafeRawBufferPointer(start: real, count: strlen(real)))
  }
}
