internal import Glibc
internal import TelpherWire

/// Where the paths of clients lead (docs/PROTOCOL.md, "Paths").
public struct FileScope: Sendable {
  /// Where relative paths and `~` start; or why nothing is there.
  private let home: Result<Root, FileError>
  /// Where absolute paths start.
  private let slash: Root

  /// Everything below `root`: relative paths, `~` and `/` all start there. If the root is confined,
  /// nothing outside is reached.
  public init(below root: Root) { (home, slash) = (.success(root), root) }

  /// Every file that this process may reach. Relative paths and `~` start in the folder `home`; if that
  /// can't be opened, only absolute paths work.
  ///
  /// - Throws: `FileError` where the folder `/` can't be opened.
  public init(home: [UInt8]) throws(FileError) {
    slash = try Root(unconfined: [RelativePath.slash])
    do throws(FileError) { self.home = .success(try Root(unconfined: home)) } catch {
      self.home = .failure(
        FileError(
          error.code, "relative paths start in the user's home: \(error.message)",
          path: error.path))
    }
  }

  /// Why relative paths can't be used; nil where they can.
  public var faultOfHome: FileError? {
    if case .failure(let error) = home { error } else { nil }
  }

  /// Where the path of a request leads.
  ///
  /// - Throws: `FileError`: `.badPath` where it is no path; what is wrong with the home.
  func place(_ text: PathText) throws(FileError) -> FilePlace {
    let requested = try RequestedPath(text.bytes)
    let root =
      switch requested.start {
      case .home: try home.get()
      case .slash: slash
      }
    return FilePlace(root: root, path: requested.path, mustBeFolder: requested.mustBeFolder)
  }
}

/// A path of a request and the root that it starts from.
struct FilePlace {
  let root: Root
  let path: RelativePath
  /// Whether the path was written as that of a folder, as in `a/`.
  let mustBeFolder: Bool

  /// What is there. A symlink is followed if it was written with a slash behind it, too.
  ///
  /// - Throws: as `Root.status`; `.notAFolder` where only a folder may be there.
  func status(followsLink: Bool) throws(FileError) -> (FileStatus, linkTarget: [UInt8]?) {
    let found = try root.status(path, followsLink: followsLink || mustBeFolder)
    guard !mustBeFolder || found.0.kind == .folder else { throw notAFolder("look at") }
    return found
  }

  /// The folder that it is in, for an operation that takes a file's name.
  ///
  /// - Throws: as `Root.parent(of:)`; `.notAFolder` where it was written as a folder's name.
  func parentOfFile(_ attempt: String) throws(FileError) -> Folder {
    let parent = try root.parent(of: path)
    guard !mustBeFolder else {
      if try parent.status(of: path.name)?.kind == .folder {
        throw FileError(.notAFile, attempt, path, "it is a folder")
      }
      throw notAFolder(attempt)
    }
    return parent
  }

  /// The folder that it is in, for an operation on the name itself: a symlink is never followed.
  ///
  /// - Throws: as `Root.parent(of:)`; `.notAFolder` where it was written as a folder's name, and
  ///   something else is there.
  func parent(_ attempt: String) throws(FileError) -> Folder {
    let parent = try root.parent(of: path)
    if mustBeFolder, let status = try parent.status(of: path.name), status.kind != .folder {
      throw notAFolder(attempt)
    }
    return parent
  }

  private func notAFolder(_ attempt: String) -> FileError {
    FileError(
      .notAFolder, "cannot \(attempt) '\(path)/': it is not a folder", errno: ENOTDIR,
      path: "\(path)/")
  }
}
