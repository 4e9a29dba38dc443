internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// A hidden file in the destination's folder that receives the bytes first. When complete it is
/// renamed to the destination. If the transfer breaks off the file remains, and the next transfer
/// can resume it.
///
/// It uses the first of eight fixed names (`PartialName`) that is not locked. So the next transfer
/// finds the file again, and simultaneous transfers of one destination use different files. The
/// lock ends with the process.
///
/// All methods block. One thread at a time may use it.
package final class Partial {
  /// The bytes that an earlier transfer left, if opened with `keeping`; else 0.
  package let kept: Int64
  /// The offset of the next write in bytes; initially `kept`. If it is set to a smaller value, the
  /// bytes after it are dropped.
  package var position: Int64 { didSet { valid = min(valid, position) } }

  /// The hidden name; nil if the file has no name yet.
  private let name: [UInt8]?
  /// The mode that the file was created with; nil if unknown.
  private var mode: UInt32?
  private let target: [UInt8]
  private let folder: Folder
  private var descriptor: Int32
  /// The length of the file in bytes. Only the first `valid` bytes belong to this transfer.
  private var length: Int64
  private var valid: Int64

  /// The maximum time to wait for the lock of an earlier transfer, in nanoseconds. After its
  /// connection ends, such a transfer still writes up to a window of data.
  static let patience: UInt64 = 2_000_000_000

  private init(_ claimed: PartialClaim, target: [UInt8], folder: Folder, keeping: Bool) {
    name = claimed.name
    mode = nil
    descriptor = claimed.descriptor
    length = claimed.length
    kept = keeping ? claimed.length : 0
    position = kept
    valid = kept
    self.target = target
    self.folder = folder
  }

  /// Takes ownership of an unnamed file.
  private init(unnamed descriptor: Int32, mode: UInt32, target: [UInt8], folder: Folder) {
    (name, self.descriptor, self.mode) = (nil, descriptor, mode)
    (length, kept, position, valid) = (0, 0, 0, 0)
    self.target = target
    self.folder = folder
  }

  deinit { closeDescriptor() }

  /// Creates a partial file for `name` in `folder` that has no name until it is committed
  /// (O_TMPFILE of open(2)). It vanishes if the transfer breaks off. It needs half as many system
  /// calls as `open`, which matters for small files.
  ///
  /// - Parameter mode: the mode that the file will have at the end.
  /// - Returns: nil if the file system does not support unnamed files.
  /// - Throws: as `open`.
  package static func openUnnamed(
    for name: [UInt8], in folder: Folder, mode: UInt32
  ) throws(FileError) -> Partial? {
    try folder.check(name)
    let descriptor = telpher_open_unnamed(folder.descriptor.number, mode)
    if descriptor >= 0 {
      return Partial(
        unnamed: descriptor, mode: mode & ~FileMode.mask, target: name, folder: folder)
    }
    guard ![EOPNOTSUPP, EISDIR, ENOENT, EINVAL].contains(-descriptor) else { return nil }
    throw FileError("write", folder.shown(name), errno: -descriptor)
  }

  /// Creates the partial file for `name` in `folder`, or opens one that an earlier transfer left.
  /// With `keeping` its bytes remain (see `kept`); else they are dropped. With `waits`, it waits up
  /// to 2 seconds for an earlier transfer that has broken off to release the file.
  ///
  /// - Throws: `.busy` if eight transfers of that name are running; `.badPath` if `name` is not a
  ///   valid name; `.notPermitted`, `.noSpace`.
  package static func open(
    for name: [UInt8], in folder: Folder, keeping: Bool, waits: Bool = false
  ) throws(FileError) -> Partial {
    let path = try folder.checked(name)
    let deadline = waits ? monotonicNow() + Self.patience : 0
    let claimed = try PartialClaim(for: name, in: folder, path, deadline: deadline)
    let partial = Partial(claimed, target: name, folder: folder, keeping: keeping)
    try partial.dropInvalid()
    return partial
  }

  /// Whether `name` is the name of a partial file or of a symlink that is not yet renamed.
  package static func isPartial(_ name: [UInt8]) -> Bool { PartialName.matches(name) }

  /// Reads up to the size of `buffer` from the byte offset `offset`. Returns the number of bytes
  /// read; 0 at or after the end.
  ///
  /// - Throws: `.io`, or another error of read(2).
  package func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(FileError) -> Int {
    while true {
      let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
      if count >= 0 { return count }
      if errno != EINTR { throw error("read what is left of", errno) }
    }
  }

  /// Drops all bytes and continues at position 0.
  ///
  /// - Throws: `.io`.
  package func restart() throws(FileError) {
    position = 0
    try dropInvalid()
  }

  /// Writes all of `bytes` at `position` and advances it by the bytes written, also before an
  /// error.
  ///
  /// - Throws: `.noSpace`, `.tooLarge`, `.io`.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    try dropInvalid()
    var rest = bytes[...]
    while !rest.isEmpty {
      let chunk = UnsafeRawBufferPointer(rebasing: rest)
      let count = pwrite(descriptor, chunk.baseAddress, chunk.count, off_t(position))
      guard count > 0 else {
        if count < 0 && errno == EINTR { continue }
        throw error("write", count < 0 ? errno : EIO)
      }
      position += Int64(count)
      length = position
      valid = position
      rest = rest.dropFirst(count)
    }
  }

  /// Skips `count` bytes. They become a hole, which reads as zeros.
  package func skip(_ count: Int64) { position += count }

  /// Truncates or extends the file to `position`, and sets its permissions (0 to 0o7777) and its
  /// modification time (nanoseconds since 1970; nil to leave it). The file keeps its hidden name.
  ///
  /// - Throws: `.noSpace`, `.tooLarge`, `.io`, `.notPermitted`.
  package func finish(mode: UInt32, modifiedNS: Int128?) throws(FileError) {
    try dropInvalid()
    if length != position {
      try truncate(to: position)
      length = position
      valid = position
    }
    if mode != self.mode {
      guard fchmod(descriptor, mode_t(mode)) == 0 else { throw error("set the mode of", errno) }
    }
    if let modifiedNS {
      let times = [timespec.unchanged, timespec(nanoseconds: modifiedNS)]
      guard futimens(descriptor, times) == 0 else { throw error("set the time of", errno) }
    }
  }

  /// Writes the file to the storage with fsync(2).
  ///
  /// - Throws: `.io` or `.noSpace`; written data may be lost then.
  package func sync() throws(FileError) {
    guard fsync(descriptor) == 0 else { throw error("sync", errno) }
  }

  /// Writes the whole file system of the file to the storage with syncfs(2).
  ///
  /// - Throws: as `sync()`.
  package func syncFileSystem() throws(FileError) {
    let result = telpher_sync_file_system(descriptor)
    guard result == 0 else { throw error("sync", -result) }
  }

  /// Renames the file to the destination atomically, and closes it. With `keepingDescriptor` it
  /// stays open for `syncFileSystem()`. If the renaming fails, the partial file remains.
  ///
  /// - Throws: `.exists` if something is there and `replacing` is false; `.notAFile` if a folder is
  ///   there; `.notPermitted`, `.noSpace`, `.io`.
  package func commit(replacing: Bool, keepingDescriptor: Bool = false) throws(FileError) {
    let error =
      if let name {
        folder.renameUnchecked(name, to: folder, target, replacing: replacing)
      } else {
        nameUnnamed(replacing: replacing)
      }
    guard error == 0 else {
      throw FileError(
        .init(renaming: error), "cannot write '\(path)': \(FileError.reason(renaming: error))",
        errno: error, path: path.description)
    }
    if keepingDescriptor { telpher_unlock(descriptor) } else { closeDescriptor() }
  }

  /// Removes and closes the file. If it can't be removed, it remains as a stale partial file.
  /// Without this call, a named partial file remains after its `Partial` is released.
  package func discard() {
    guard descriptor >= 0 else { return }
    if let name { _ = folder.removeUnchecked(name, isFolder: false) }
    closeDescriptor()
  }

  /// Gives an unnamed file the destination's name. Returns 0, or the errno.
  private func nameUnnamed(replacing: Bool) -> Int32 {
    func give(_ name: [UInt8]) -> Int32 {
      -name.withCPath { telpher_name(descriptor, folder.descriptor.number, $0) }
    }
    var error = give(target)
    guard error == EEXIST, replacing else { return error }
    // Only rename(2) replaces, and it needs a name. So give the file a partial's name first, locked
    // so that no other transfer claims it.
    error = -telpher_lock(descriptor)
    if error != 0 { return error }
    for slot in 0..<PartialName.slots {
      let name = PartialName.ofFile(target, slot: slot)
      error = give(name)
      if error == EEXIST { continue }
      guard error == 0 else { return error }
      error = folder.renameUnchecked(name, to: folder, target, replacing: true)
      if error != 0 { _ = folder.removeUnchecked(name, isFolder: false) }
      return error
    }
    return error
  }

  /// The absolute path of the destination: see `Folder.absolutePath(of:)`.
  package var absolutePath: [UInt8] { folder.absolutePath(of: target) }

  /// The path of the destination.
  package var path: RelativePath { folder.path.appending(unchecked: target) }

  private func dropInvalid() throws(FileError) {
    guard valid < length else { return }
    try truncate(to: valid)
    length = valid
  }

  private func truncate(to length: Int64) throws(FileError) {
    while ftruncate(descriptor, off_t(length)) != 0 {
      if errno != EINTR { throw error("write", errno) }
    }
  }

  private func closeDescriptor() {
    guard descriptor >= 0 else { return }
    if name != nil { telpher_unlock(descriptor) }
    close(descriptor)
    descriptor = -1
  }

  private func error(_ attempt: String, _ errno: Int32) -> FileError {
    FileError(attempt, path, errno: errno)
  }
}
