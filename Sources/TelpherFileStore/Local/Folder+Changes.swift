internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

extension Folder {
  /// Makes a folder with `mode` (0 to 0o7777), reduced by the umask.
  ///
  /// - Throws: `.exists`, `.notPermitted`, `.noSpace`.
  package func makeFolder(_ name: [UInt8], mode: UInt32) throws(FileError) {
    let shown = try checked(name)
    guard name.withCPath({ mkdirat(descriptor.number, $0, mode_t(mode)) }) == 0 else {
      throw FileError("make the folder", shown, errno: errno)
    }
  }

  /// Makes a symlink to `target`, which need not exist. With `replacing`, the link atomically
  /// replaces a file or link of that name. `modifiedNS` is the modification time of the link
  /// itself.
  ///
  /// - Throws: `.exists` if something is there and `replacing` is false; `.notAFile` if a folder is
  ///   there; `.badPath` if `target` is empty, too long or has a NUL; `.notPermitted`, `.noSpace`.
  package func makeLink(
    _ name: [UInt8], target: [UInt8], modifiedNS: Int128?, replacing: Bool
  ) throws(FileError) {
    let shown = try checked(name)
    guard !target.isEmpty, target.count <= RelativePath.maximumLength, !target.contains(0) else {
      throw FileError(.badPath, "make the link", shown, "its target is not a valid path")
    }
    // Usually the name is free, and no temporary name is needed.
    var error = makeLink(at: name, target: target)
    if error == 0 { return try setAttributes(of: name, mode: nil, modifiedNS: modifiedNS) }
    guard error == EEXIST && replacing else {
      throw FileError("make the link", shown, errno: error)
    }
    let hidden = PartialName.ofLink()
    error = makeLink(at: hidden, target: target)
    guard error == 0 else { throw FileError("make the link", shown, errno: error) }
    do {
      try setAttributes(of: hidden, mode: nil, modifiedNS: modifiedNS)
      try rename(hidden, to: self, name, replacing: true)
    } catch {
      _ = removeUnchecked(hidden, isFolder: false)
      throw error
    }
  }

  /// Makes a symlink. Returns 0, or the errno.
  private func makeLink(at name: [UInt8], target: [UInt8]) -> Int32 {
    let result = target.withCPath { target in
      name.withCPath { symlinkat(target, descriptor.number, $0) }
    }
    return result == 0 ? 0 : errno
  }

  /// Sets the permissions (0 to 0o7777) and the modification time (nanoseconds since 1970) of a
  /// file or folder, each unless nil. A symlink is not followed, and has no permissions to set.
  ///
  /// - Throws: `.notFound`, `.notPermitted`, `.unsupported` for the mode of a symlink.
  package func setAttributes(
    of name: [UInt8], mode: UInt32?, modifiedNS: Int128?
  ) throws(FileError) {
    let shown = try checked(name)
    if let mode {
      let result = name.withCPath { telpher_change_mode(descriptor.number, $0, mode) }
      guard result == 0 else { throw FileError("set the mode of", shown, errno: -result) }
    }
    if let modifiedNS {
      let times = [timespec.unchanged, timespec(nanoseconds: modifiedNS)]
      let result = name.withCPath {
        utimensat(descriptor.number, $0, times, AT_SYMLINK_NOFOLLOW)
      }
      guard result == 0 else { throw FileError("set the time of", shown, errno: errno) }
    }
  }

  /// Removes a file or link, or an empty folder.
  ///
  /// - Throws: `.notFound`; `.notEmpty`; `.notAFile` or `.notAFolder` if `isFolder` is wrong;
  ///   `.notPermitted`, `.busy`.
  package func remove(_ name: [UInt8], isFolder: Bool) throws(FileError) {
    let shown = try checked(name)
    let error = removeUnchecked(name, isFolder: isFolder)
    guard error == 0 else { throw FileError("remove", shown, errno: error) }
  }

  /// As `remove`, for a name that is known to be valid. Returns 0, or the errno.
  func removeUnchecked(_ name: [UInt8], isFolder: Bool) -> Int32 {
    let result = name.withCPath { unlinkat(descriptor.number, $0, isFolder ? AT_REMOVEDIR : 0) }
    return result == 0 ? 0 : errno
  }

  /// Renames an entry atomically. With `replacing`, a file replaces a file, and a folder replaces
  /// an empty folder. A device, FIFO or socket is not replaced.
  ///
  /// - Throws: `.exists` if something is there and `replacing` is false; `.notFound`; `.notAFile`,
  ///   `.notAFolder` or `.notEmpty` if the existing entry can't be replaced; `.unsupported` across
  ///   file systems; `.badPath` if a folder would move into itself; `.notPermitted`, `.noSpace`.
  package func rename(
    _ name: [UInt8], to folder: Folder, _ newName: [UInt8], replacing: Bool
  ) throws(FileError) {
    let shown = try checked(name)
    let newShown = try folder.checked(newName)
    if replacing, case .other(let what)? = try folder.status(of: newName)?.kind {
      throw FileError(
        .notAFile, "cannot replace '\(newShown)': it is \(what), and only files are replaced",
        path: newShown.description)
    }
    let error = renameUnchecked(name, to: folder, newName, replacing: replacing)
    guard error != 0 else { return }
    let isBlamedOnNew = [EISDIR, ENOTDIR, ENOTEMPTY, EEXIST].contains(error)
    throw FileError(
      .init(renaming: error),
      "cannot rename '\(shown)' to '\(newShown)': \(FileError.reason(renaming: error))",
      errno: error, path: (isBlamedOnNew ? newShown : shown).description)
  }

  /// As `rename`, for names that are known to be valid. Returns 0, or the errno.
  func renameUnchecked(
    _ name: [UInt8], to folder: Folder, _ newName: [UInt8], replacing: Bool
  ) -> Int32 {
    name.withCPath { name in
      newName.withCPath { newName in
        -telpher_rename(
          descriptor.number, name, folder.descriptor.number, newName, replacing ? 1 : 0)
      }
    }
  }
}

extension FileError {
  /// The reason for an errno of rename(2), which may concern the old or the new name.
  static func reason(renaming errno: Int32) -> String {
    switch errno {
    case EISDIR: "the destination is a folder"
    case ENOTDIR: "the destination is not a folder"
    case ENOTEMPTY: "the destination folder is not empty"
    case EEXIST: "the destination exists already"
    case EXDEV: "it is on another file system"
    case EINVAL: "a folder can't be moved into itself"
    default: describe(errno: errno)
    }
  }
}

extension FileError.Code {
  /// The code for an errno of rename(2).
  init(renaming errno: Int32) { self = errno == EINVAL ? .badPath : .init(errno: errno) }
}
