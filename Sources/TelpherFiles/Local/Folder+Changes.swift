internal import CTelpherSys
internal import Glibc

extension Folder {
  /// Makes a folder. The process's umask takes bits from `mode`.
  ///
  /// - Throws: `.exists`, `.notPermitted`, `.noSpace`.
  public func makeFolder(_ name: [UInt8], mode: UInt32) throws(FileError) {
    let shown = try checked(name)
    guard name.withCPath({ mkdirat(descriptor.number, $0, mode_t(mode)) }) == 0 else {
      throw FileError("make the folder", shown, errno: errno)
    }
  }

  /// Makes a symlink to `target`, whatever that is, in one step: with `replacing`, who looks sees
  /// the old file or link, or the new one. `modifiedNS` is the link's own time.
  ///
  /// - Throws: `.exists` where it may not replace, `.notAFile` where a folder is in the way,
  ///   `.badPath` where `target` is empty, too long or has a NUL, `.notPermitted`, `.noSpace`.
  public func makeLink(
    _ name: [UInt8], target: [UInt8], modifiedNS: Int128?, replacing: Bool
  ) throws(FileError) {
    let shown = try checked(name)
    guard !target.isEmpty, target.count <= RelativePath.maximumLength, !target.contains(0) else {
      throw FileError(.badPath, "make the link", shown, "its target is no path")
    }
    // Most often there is nothing, and no second name is needed.
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

  /// 0, or the errno.
  private func makeLink(at name: [UInt8], target: [UInt8]) -> Int32 {
    let result = target.withCPath { target in
      name.withCPath { symlinkat(target, descriptor.number, $0) }
    }
    return result == 0 ? 0 : errno
  }

  /// Sets the permissions (0 to 0o7777) and the time of the last change, each unless nil, of a file
  /// or folder; a symlink has a time only, its own.
  ///
  /// - Throws: `.notFound`, `.notPermitted`, `.unsupported` for the mode of a symlink.
  public func setAttributes(
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
  /// - Throws: `.notFound`; `.notEmpty`; `.notAFile` or `.notAFolder` where it is the other;
  ///   `.notPermitted`, `.busy`.
  public func remove(_ name: [UInt8], isFolder: Bool) throws(FileError) {
    let shown = try checked(name)
    let error = removeUnchecked(name, isFolder: isFolder)
    guard error == 0 else { throw FileError("remove", shown, errno: error) }
  }

  /// The same with a name that is known to be one. Returns 0, or the errno.
  func removeUnchecked(_ name: [UInt8], isFolder: Bool) -> Int32 {
    let result = name.withCPath { unlinkat(descriptor.number, $0, isFolder ? AT_REMOVEDIR : 0) }
    return result == 0 ? 0 : errno
  }

  /// Renames in one step. With `replacing` a file takes the place of a file, and a folder that of an
  /// empty folder.
  ///
  /// - Throws: `.exists` where it may not replace; `.notFound`; `.notAFile`, `.notAFolder` and
  ///   `.notEmpty` for what can't be replaced; `.unsupported` across file systems; `.badPath` for a
  ///   folder into itself; `.notPermitted`, `.noSpace`.
  public func rename(
    _ name: [UInt8], to folder: Folder, _ newName: [UInt8], replacing: Bool
  ) throws(FileError) {
    let shown = try checked(name)
    let newShown = try folder.checked(newName)
    let error = renameUnchecked(name, to: folder, newName, replacing: replacing)
    guard error != 0 else { return }
    let isBlamedOnNew = [EISDIR, ENOTDIR, ENOTEMPTY, EEXIST].contains(error)
    throw FileError(
      .init(renaming: error),
      "cannot rename '\(shown)' to '\(newShown)': \(FileError.reason(renaming: error))",
      errno: error, path: (isBlamedOnNew ? newShown : shown).description)
  }

  /// The same with names that are known to be some. Returns 0, or the errno.
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
  /// What an answer of rename(2) means, where the old or the new name may be to blame.
  static func reason(renaming errno: Int32) -> String {
    switch errno {
    case EISDIR: "there is a folder"
    case ENOTDIR: "there is something that is no folder"
    case ENOTEMPTY: "the folder there is not empty"
    case EEXIST: "there is something of that name"
    case EXDEV: "it is on another file system"
    case EINVAL: "a folder can't be moved into itself"
    default: String(cString: strerror(errno))
    }
  }
}

extension FileError.Code {
  /// The code for an answer of rename(2).
  init(renaming errno: Int32) { self = errno == EINVAL ? .badPath : .init(errno: errno) }
}
