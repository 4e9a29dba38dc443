internal import Glibc

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
  public init(source text: String) throws(FileError) {
    guard let real = realpath(text, nil) else {
      throw FileError("read", named: text, errno: errno)
    }
    defer { free(real) }
    let bytes = Array(UnsafeRawBufferPointer(start: real, count: strlen(real)))
    var status = stat()
    guard stat(real, &status) == 0 else { throw FileError("read", named: text, errno: errno) }
    isFolder = status.st_mode & S_IFMT == S_IFDIR
    let written = Self.lastPart(of: Array(text.utf8))
    if isFolder, written.isEmpty || written == [UInt8(ascii: ".")] {
      root = try Root(String(decoding: bytes, as: UTF8.self))
      (path, name) = (.root, [])
      return
    }
    let (parent, last) = Self.split(bytes)
    root = try Root(String(decoding: parent, as: UTF8.self))
    path = try RelativePath(last)
    name = written == Array("..".utf8) ? last : written
  }

  /// The place of a destination: the folder itself where it is there, so that things go into it; else
  /// the name in its folder.
  ///
  /// - Parameter mustBeFolder: whether more than one thing goes there.
  /// - Throws: `FileError`.
  public init(destination text: String, mustBeFolder: Bool) throws(FileError) {
    var status = stat()
    let isThere = stat(text, &status) == 0
    // If it cannot be looked at, it may well be there.
    guard isThere || errno == ENOENT || errno == ENOTDIR else {
      throw FileError("write", named: text, errno: errno)
    }
    if isThere && status.st_mode & S_IFMT == S_IFDIR {
      root = try Root(text)
      (path, name, isFolder) = (.root, [], true)
      return
    }
    guard !mustBeFolder, !text.hasSuffix("/") else {
      throw FileError(.notAFolder, "'\(text)' is not a folder", path: text)
    }
    let (parent, last) = Self.split(Array(text.utf8))
    root = try Root(String(decoding: parent, as: UTF8.self))
    path = try RelativePath(last)
    (name, isFolder) = (last, false)
  }

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
}
