internal import Glibc

extension Folder {
  /// Removes a file, link or empty folder.
  ///
  /// - Throws: as `remove`.
  func removeOne(_ name: [UInt8]) throws(FileError) {
    guard let status = try status(of: name) else {
      throw FileError("remove", shown(name), errno: ENOENT)
    }
    try remove(name, isFolder: status.kind == .folder)
  }

  /// Removes a file or link, or a folder with all that is in it, however deep; symlinks in it are
  /// removed and not followed. What vanishes meanwhile is removed too.
  ///
  /// What can't be removed is passed to `didFail`, and the rest is removed all the same. The folders
  /// that hold it stay, and are no failures of their own.
  ///
  /// - Throws: what `didFail` throws; `.notFound` where there is nothing of that name.
  func removeTree(
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
      // A folder that can't be read may be empty all the same.
      guard removeUnchecked(name, isFolder: true) != 0 else { return }
      try didFail(error)
    }
    guard isEmptied else { return }
    if let error = failure({ () throws(FileError) in try remove(name, isFolder: true) }) {
      try didFail(error)
    }
  }

  /// Removes all that is in `folder`; returns whether it is empty now.
  private func empty(
    _ folder: Folder, _ didFail: (FileError) throws(FileError) -> Void
  ) throws(FileError) -> Bool {
    var descent = try TreeDescent(from: folder)
    // For each level whether something in it stayed.
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
          // A folder. POSIX has EPERM for it, and some file systems answer that. In a folder that may
          // not be written to the answer is EACCES, and what a folder in there holds may go.
          do throws(FileError) {
            try descent.enter(name)
            keeps.append(false)
          } catch  where error.code == .notAFolder {
            // Something else after all: what the system refused.
            try here.remove(name, isFolder: false)
          } catch {
            // A folder that can't be read may be empty all the same.
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
