internal import Glibc
internal import TelpherText

/// Maps the paths of client requests to roots (docs/PROTOCOL.md, "Paths").
public struct FileScope: Sendable {
  /// The root of relative paths and `~`, or the reason that it can't be used.
  private let home: Result<Root, FileError>
  /// The root of absolute paths.
  private let slash: Root

  /// A scope in which relative paths, `~` and `/` all start in `root`. If the root is confined,
  /// clients reach nothing outside it.
  public init(below root: Root) { (home, slash) = (.success(root), root) }

  /// A scope of every file that this process may access. Relative paths and `~` start in the folder
  /// `home`. If that can't be opened, only absolute paths work.
  ///
  /// - Throws: `FileError` if the folder `/` can't be opened.
  public init(home: [UInt8]) throws(FileError) {
    slash = try Root(unconfined: [RelativePath.slash])
    do throws(FileError) { self.home = .success(try Root(unconfined: home)) } catch {
      self.home = .failure(
        FileError(
          error.code, "relative paths start in the user's home: \(error.message)",
          path: error.path))
    }
  }

  /// The reason that relative paths can't be used; nil if they can.
  public var faultOfHome: FileError? {
    if case .failure(let error) = home { error } else { nil }
  }

  /// Resolves the path of a request to a root and the path below it.
  ///
  /// - Throws: `FileError`: `.badPath` if the path is invalid; `faultOfHome` if the path starts in
  ///   a home that can't be used.
  package func place(_ path: [UInt8]) throws(FileError) -> FilePlace {
    let requested = try RequestedPath(path)
    let root =
      switch requested.start {
      case .home: try home.get()
      case .slash: slash
      }
    return FilePlace(root: root, path: requested.path, mustBeFolder: requested.mustBeFolder)
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
