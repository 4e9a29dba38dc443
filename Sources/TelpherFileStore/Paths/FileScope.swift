internal import Glibc
internal import TelpherText

/// Maps the paths of client requests to roots (docs/PROTOCOL.md, "Paths").
public struct FileScope: Sendable {
  private enum Kind: Sendable {
    /// All files below the root of relative paths and `~`, which may be unusable, and that of absolute
    /// paths.
    case whole(home: Result<Root, FileError>, slash: Root)
    /// Only files in these folders.
    case folders([ServedFolder])
  }

  private let kind: Kind

  /// A scope in which relative paths, `~` and `/` all start in `root`. If the root is confined,
  /// clients reach nothing outside it.
  public init(below root: Root) { kind = .whole(home: .success(root), slash: root) }

  /// A scope of the files in `folders` alone. Where one is in another, the inner one counts.
  package init(of folders: [ServedFolder]) {
    kind = .folders(folders.sorted { $0.path.count > $1.path.count })
  }

  /// A scope of every file that this process may access. Relative paths and `~` start in the folder
  /// `home`. If that can't be opened, only absolute paths work.
  ///
  /// - Throws: `FileError` if the folder `/` can't be opened.
  public init(home: [UInt8]) throws(FileError) {
    let slash = try Root(unconfined: [RelativePath.slash])
    let root: Result<Root, FileError>
    do throws(FileError) { root = .success(try Root(unconfined: home)) } catch {
      root = .failure(
        FileError(
          error.code, "relative paths start in the user's home: \(error.message)",
          path: error.path))
    }
    kind = .whole(home: root, slash: slash)
  }

  /// The reason that relative paths can't be used; nil if they can.
  public var faultOfHome: FileError? {
    if case .whole(home: .failure(let error), _) = kind { error } else { nil }
  }

  /// The reasons why folders of the scope can't be used.
  package var faults: [String] {
    switch kind {
    case .whole: faultOfHome.map { [$0.message] } ?? []
    case .folders(let folders):
      folders.compactMap { folder in
        if case .failure(let error) = folder.root { error.message } else { nil }
      }
    }
  }

  /// Resolves the path of a request to a root and the path below it.
  ///
  /// - Throws: `FileError`: `.badPath` if the path is invalid; `faultOfHome` if the path starts in
  ///   a home that can't be used; `.notPermitted` if it is in none of the folders of the scope; the
  ///   fault of its folder if that can't be used.
  package func place(_ path: [UInt8]) throws(FileError) -> FilePlace {
    let requested = try RequestedPath(path)
    switch kind {
    case .whole(let home, let slash):
      let root =
        switch requested.start {
        case .home: try home.get()
        case .slash: slash
        }
      return FilePlace(root: root, path: requested.path, mustBeFolder: requested.mustBeFolder)
    case .folders(let folders):
      for folder in folders {
        guard let below = folder.path(of: requested) else { continue }
        return FilePlace(
          root: try folder.root.get(), path: below,
          mustBeFolder: requested.mustBeFolder || below.isRoot)
      }
      throw FileError(
        .notPermitted, "the path '\(requested.path)' is in no folder that you may use",
        errno: EACCES, path: "\(requested.path)")
    }
  }
}

/// A folder whose files a client can use.
package struct ServedFolder: Sendable {
  /// The start of the paths that lead into it.
  let start: RequestedPath.Start
  /// Its path from there, without slashes at its ends; empty for the start itself.
  let path: [UInt8]
  /// The folder, confined; or the reason that it can't be used.
  let root: Result<Root, FileError>

  /// Opens a folder.
  ///
  /// - Parameters:
  ///   - path: its names joined by slashes.
  ///   - home: the home, if the path starts there; nil if it starts at `/`.
  package init(_ path: [UInt8], inHome home: [UInt8]?) {
    start = home == nil ? .slash : .home
    self.path = path
    do throws(FileError) {
      root = .success(try Root((home ?? []) + [RelativePath.slash] + path))
    } catch {
      root = .failure(error)
    }
  }

  /// The path below this folder; nil if the requested path does not lead into it.
  func path(of requested: RequestedPath) -> RelativePath? {
    let bytes = requested.path.bytes
    guard requested.start == start, bytes.starts(with: path) else { return nil }
    let shown: [UInt8] = start == .slash ? [RelativePath.slash] : []
    if path.isEmpty { return requested.path }
    let end = path.count
    guard bytes.count == end || bytes[end] == RelativePath.slash else { return nil }
    return RelativePath(unchecked: Array(bytes.dropFirst(end + 1)))
      .written(after: shown + path + [RelativePath.slash])
  }
}

/// A path of a request and the root that it starts in.
package struct FilePlace {
  package let root: Root
  package let path: RelativePath
  /// Whether the path was written as a folder's, for example `a/`.
  package let mustBeFolder: Bool

  /// Returns the status of the file, folder or link. Follows a symlink if `followsLink`, or if the
  /// path was written with a trailing slash.
  ///
  /// - Throws: as `Root.status`; `.notAFolder` if it must be a folder and is not.
  package func status(followsLink: Bool) throws(FileError) -> (FileStatus, linkTarget: [UInt8]?) {
    let found = try root.status(path, followsLink: followsLink || mustBeFolder)
    guard !mustBeFolder || found.0.kind == .folder else { throw notAFolder("read the status of") }
    return found
  }

  /// Opens the parent folder, for an operation on a file.
  ///
  /// - Throws: as `Root.parent(of:)`. If the path was written as a folder's: `.notAFile` if a
  ///   folder is there, else `.notAFolder`.
  package func parentOfFile(_ attempt: String) throws(FileError) -> Folder {
    let parent = try existingParent(attempt)
    guard !mustBeFolder else {
      if try parent.status(of: path.name)?.kind == .folder {
        throw FileError(.notAFile, attempt, path, "it is a folder")
      }
      throw notAFolder(attempt)
    }
    return parent
  }

  /// Opens the parent folder, for an operation on the name itself. A symlink of that name is not
  /// followed.
  ///
  /// - Throws: as `Root.parent(of:)`; `.notAFolder` if the path was written as a folder's and
  ///   something else is there.
  package func parent(_ attempt: String) throws(FileError) -> Folder {
    let parent = try existingParent(attempt)
    if mustBeFolder, let status = try parent.status(of: path.name), status.kind != .folder {
      throw notAFolder(attempt)
    }
    return parent
  }

  /// Opens the parent folder, for a new folder, whose path may be written with a trailing slash.
  ///
  /// - Throws: as `Root.parent(of:)`.
  package func parentOfFolder(_ attempt: String) throws(FileError) -> Folder {
    try existingParent(attempt)
  }

  /// Opens the parent folder. If it is missing, the message says what it was needed for.
  private func existingParent(_ attempt: String) throws(FileError) -> Folder {
    do throws(FileError) {
      return try root.parent(of: path)
    } catch  where error.code == .notFound {
      throw FileError(
        .notFound, "cannot \(attempt) '\(path)': the folder '\(path.parent)' does not exist",
        errno: error.errno, path: "\(path)")
    }
  }

  private func notAFolder(_ attempt: String) -> FileError {
    FileError(
      .notAFolder, "cannot \(attempt) '\(path)/': it is not a folder", errno: ENOTDIR,
      path: "\(path)/")
  }
}
