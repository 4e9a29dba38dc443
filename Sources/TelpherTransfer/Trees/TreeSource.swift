internal import Glibc
package import TelpherFileStore
internal import TelpherWire

/// A file, folder or link that `TreeSender` sends.
package struct TreeSource: Sendable {
  /// Where the path starts.
  enum Place: Sendable {
    /// In an open root.
    case root(Root)
    /// In the folder with this path, which is opened when it is needed. So thousands of sources
    /// need few descriptors.
    case folder([UInt8])
    /// Nowhere: the source was refused.
    case none(FileError)
  }

  let place: Place
  /// The path below the place.
  let path: RelativePath
  /// The name at the receiver; if empty, the contents of the folder `path` are sent.
  package let name: [UInt8]
  /// The status of a regular file; nil if the sender is to read the status.
  let status: FileStatus?
  /// Whether it may be a folder. If not, a symlink with a missing target is an error too.
  let mayBeFolder: Bool
  /// Whether it must be a folder, because its path was written as one.
  let mustBeFolder: Bool

  /// A source whose path was refused with `error`.
  init(unusable path: PathText, as name: [UInt8], _ error: FileError) {
    self.init(
      place: .none(error), path: RelativePath(unchecked: path.bytes), name: name, status: nil)
  }

  init(
    place: Place, path: RelativePath, name: [UInt8], status: FileStatus?, mayBeFolder: Bool = true,
    mustBeFolder: Bool = false
  ) {
    (self.place, self.path, self.name, self.status) = (place, path, name, status)
    (self.mayBeFolder, self.mustBeFolder) = (mayBeFolder, mustBeFolder)
  }

  /// Checks that the source has a kind that is sent.
  ///
  /// - Throws: `.notAFile` or `.notAFolder`.
  func check(_ kind: FileStatus.Kind) throws(FileError) {
    if mustBeFolder, kind != .folder {
      throw FileError(
        .notAFolder, "cannot read the status of '\(path)/': it is not a folder", errno: ENOTDIR,
        path: "\(path)/")
    }
    if !mayBeFolder, kind == .folder {
      throw FileError(.notAFile, "'\(path)' is a folder, which needs -r", path: "\(path)")
    }
  }

  /// The path as the receiver knows it, of this source or of an entry below it.
  func wirePath(of path: RelativePath) -> [UInt8] {
    var below = path.bytes.dropFirst(self.path.bytes.count)
    if below.first == RelativePath.slash { below = below.dropFirst() }
    return name.isEmpty || below.isEmpty ? name + below : name + [RelativePath.slash] + below
  }
}

/// Opens the roots of sources. It keeps the last one open, since neighbours often share it.
struct SourceRoots {
  private var last: (folder: [UInt8], root: Root)?

  /// The root that the path of `source` starts in.
  ///
  /// - Throws: `FileError` if it can't be opened.
  mutating func root(of source: TreeSource) throws(FileError) -> Root {
    switch source.place {
    case .root(let root): return root
    case .folder(let folder):
      if let last, last.folder == folder { return last.root }
      let root = try Root(folder)
      last = (folder, root)
      return root
    case .none(let error): throw error
    }
  }
}

extension LocalSource {
  /// The source as `TreeSender` sends it, under the name `name`.
  package func sent(as name: [UInt8]) -> TreeSource {
    TreeSource(
      place: .folder(folder), path: path, name: name, status: status.kind == .file ? status : nil)
  }
}
