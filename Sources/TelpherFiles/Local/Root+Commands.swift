internal import CTelpherSys
internal import Glibc

/// What `telpher stat`, `mkdir`, `rm` and `mv` do.
extension Root {
  /// What is at `path`; of a symlink that is not followed, with its target.
  ///
  /// - Throws: `.notFound`, `.notPermitted`, and `.badPath` where a symlink leads out.
  public func status(
    _ path: RelativePath, followsLink: Bool
  ) throws(FileError) -> (FileStatus, linkTarget: [UInt8]?) {
    let descriptor = try look(at: path, follows: followsLink)
    let status = try FileStatus(of: descriptor, "look at", path)
    guard status.kind == .link else { return (status, nil) }
    // readlinkat(2): of an open link, the empty path.
    guard let target = [UInt8]().withCPath({ readLink(descriptor.number, $0) }) else {
      throw FileError("read the link", path, errno: errno)
    }
    return (status, target)
  }

  /// Makes a folder, and with `withParents` those on the way, where it is no error that it is there.
  /// The process's umask takes bits from `mode`, which all of them get.
  ///
  /// - Throws: `.exists`, `.notFound` where a parent is missing, `.notAFolder` where something else
  ///   is on the way, `.notPermitted`, `.noSpace`, `.badPath`.
  public func makeFolder(
    _ path: RelativePath, mode: UInt32, withParents: Bool
  ) throws(FileError) {
    guard withParents else {
      return try parent(of: path).makeFolder(path.name, mode: mode)
    }
    // From the deepest folder that is there: most often all but one are.
    var missing: [RelativePath] = []
    var here = path
    var folder: Folder?
    while folder == nil {
      do {
        folder = try self.folder(here)
      } catch  where error.code == .notFound && !here.isRoot {
        missing.append(here)
        here = here.parent
      }
    }
    for path in missing.reversed() {
      do {
        try folder?.makeFolder(path.name, mode: mode)
      } catch  where error.code == .exists {
        // Somebody was faster; or it is a symlink to nothing, and the next line says so.
      }
      folder = try self.folder(path)
    }
  }

  /// Removes a file, link or empty folder; with `recursively`, a folder with all that is in it, whose
  /// symlinks are removed and not followed. What can't be removed does not hold up the rest.
  ///
  /// - Throws: `.notFound`, `.notEmpty`, `.notPermitted`, `.busy`, and `.badPath` for the root; the
  ///   first failure of several.
  public func remove(_ path: RelativePath, recursively: Bool) throws(FileError) {
    let parent = try parent(of: path)
    guard recursively else { return try parent.removeOne(path.name) }
    var first: FileError?
    try parent.removeTree(path.name) { (error) throws(FileError) in first = first ?? error }
    if let first { throw first }
  }

  /// Renames `path` to `newPath` in one step, as `Folder.rename`.
  ///
  /// - Throws: as `Folder.rename`; `.badPath` for the root.
  public func move(
    _ path: RelativePath, to newPath: RelativePath, replacing: Bool
  ) throws(FileError) {
    try parent(of: path).rename(
      path.name, to: parent(of: newPath), newPath.name, replacing: replacing)
  }
}
