internal import Glibc

extension Folder {
  /// Removes a file, link or empty folder.
  ///
  /// - Throws: as `remove`.
  package func removeOne(_ name: [UInt8]) throws(FileError) {
    guard let status = try status(of: name) else {
      throw FileError("remove", shown(name), errno: ENOENT)
    }
    try remove(name, isFolder: status.kind == .folder)
  }

  /// Removes a file or link, or a folder with all its contents at any depth. Symlinks are removed
  /// and not followed. Entries that vanish during the removal count as removed.
  ///
  /// Passes each failure to `didFail` and continues with the rest. The folders above an entry that
  /// remains also remain, and are not reported as failures.
  ///
  /// - Throws: what `didFail` throws; `.notFound` if nothing has that name.
  package func removeTree(
    _ name: [UInt8], didFail: (FileError) throws(FileError) -> Void
  ) throws(FileError) {
    guard let status = try status(of: name) else {
      throw FileError("remove", shown(name), errno: ENOENT)
    }
    guard status.kind == .folder else {
      if let error = failure({ () throws(FileError) in try remove(name, isFolder: false) }) {
        try didFail(error)
      }
      return
    }
    var isEmptied = false
    do throws(FileError) {
      isEmptied = try empty(folder(name), didFail)
    } catch {
      // A folder that can't be read may still be empty, and can then be removed.
      guard removeUnchecked(name, isFolder: true) != 0 else { return }
      try didFail(error)
    }
    guard isEmptied else { return }
    if let error = failure({ () throws(FileError) in try remove(name, isFolder: true) }) {
      try didFail(error)
    }
  }

  /// Removes the contents of `folder`. Returns whether it is empty afterwards.
  private func empty(
    _ folder: Folder, _ didFail: (FileError) throws(FileError) -> Void
  ) throws(FileError) -> Bool {
    var descent = try TreeDescent(from: folder)
    // For each level, whether one of its entries remains.
    var keeps = [false]
    while true {
      guard let name = descent.nextName() else {
        let kept = keeps.removeLast()
        guard let name = descent.leave() else { return !kept }
        var stays = kept
        if !kept {
          let error = failure { () throws(FileError) in
            try descent.folder().remove(name, isFolder: true)
          }
          if let error, error.code != .notFound {
            try didFail(error)
            stays = true
          }
        }
        if stays { keeps[keeps.count - 1] = true }
        continue
      }
      let error: FileError? = failure { () throws(FileError) in
        let here = try descent.folder()
        switch here.removeUnchecked(name, isFolder: false) {
        case 0, ENOENT: break
        case EISDIR, EPERM, EACCES:
          // It is probably a folder: Linux returns EISDIR, POSIX and some file systems EPERM.
          // EACCES means that `here` is not writable, but the contents of a folder in it may be
          // removable.
          do throws(FileError) {
            try descent.enter(name)
            keeps.append(false)
          } catch  where error.code == .notAFolder {
            // It is not a folder. Repeat the removal to throw its error.
            try here.remove(name, isFolder: false)
          } catch {
            // A folder that can't be read may still be empty, and can then be removed.
            if here.removeUnchecked(name, isFolder: true) != 0 { throw error }
          }
        case let number: throw FileError("remove", here.shown(name), errno: number)
        }
      }
      if let error, error.code != .notFound {
        try didFail(error)
        keeps[keeps.count - 1] = true
      }
    }
  }

  private func failure(_ body: () throws(FileError) -> Void) -> FileError? {
    do throws(FileError) {
      try body()
      return nil
    } catch {
      return error
    }
  }
}
