internal import CTelpherSys
internal import Glibc

/// The operations of `telpher stat`, `mkdir`, `rm` and `mv`.
extension Root {
  /// Returns the status of the entry at `path`, and the target of a symlink that is not followed.
  ///
  /// - Throws: `.notFound`, `.notPermitted`, and `.badPath` if a symlink leads out of the root.
  package func status(
    _ path: RelativePath, followsLink: Bool
  ) throws(FileError) -> (FileStatus, linkTarget: [UInt8]?) {
    let descriptor = try look(at: path, follows: followsLink)
    let status = try FileStatus(of: descriptor, "read the status of", path)
    guard status.kind == .link else { return (status, nil) }
    // readlinkat(2): of an open link, the empty path.
    guard let target = [UInt8]().withCPath({ readLink(descriptor.number, $0) }) else {
      throw FileError("read the link", path, errno: errno)
    }
    return (status, target)
  }

  /// Makes a folder. With `withParents` it also makes missing parents, and it is no error if the
  /// folder exists. All new folders get `mode`, reduced by the umask.
  ///
  /// - Throws: `.exists`; `.notFound` if a parent is missing; `.notAFolder` if a parent is not a
  ///   folder; `.notPermitted`, `.noSpace`, `.badPath`.
  package func makeFolder(
    _ path: RelativePath, mode: UInt32, withParents: Bool
  ) throws(FileError) {
    guard withParents else {
      return try parent(of: path).makeFolder(path.name, mode: mode)
    }
    // Search upward for the deepest existing folder: usually only the last one is missing.
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
        // Another process made it first; or it is a dangling symlink, and the next line fails.
      }
      folder = try self.folder(path)
    }
  }

  /// Removes a file, link or empty folder; with `recursively`, also a folder with all its contents.
  /// Symlinks are removed and not followed. After a failure the rest is still removed.
  ///
  /// - Throws: `.notFound`, `.notEmpty`, `.notPermitted`, `.busy`, and `.badPath` for the root. If
  ///   several removals fail, the first error.
  package func remove(_ path: RelativePath, recursively: Bool) throws(FileError) {
    let parent = try parent(of: path)
    guard recursively else { return try parent.removeOne(path.name) }
    var first: FileError?
    try parent.removeTree(path.name) { (error) throws(FileError) in first = first ?? error }
    if let first { throw first }
  }

  /// Renames `path` to `newPath` atomically, as `Folder.rename` does.
  ///
  /// - Throws: as `Folder.rename`; `.badPath` for the root.
  package func move(
    _ path: RelativePath, to newPath: RelativePath, replacing: Bool
  ) throws(FileError) {
    try parent(of: path).rename(
      path.name, to: parent(of: newPath), newPath.name, replacing: replacing)
  }
}
