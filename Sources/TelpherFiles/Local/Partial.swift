internal import CTelpherSys
internal import Glibc

/// The hidden file beside a destination that its bytes go to first. It takes the destination's name
/// when it is whole, and stays where its transfer breaks off, for the next one to go on with.
///
/// The first of eight names that nobody has locked is used (`PartialName`), so a stale one is found
/// again, and two transfers of one name at once never mix. The lock ends with the process.
///
/// All calls block. From one thread at a time.
public final class Partial {
  /// How many bytes an earlier transfer left, with `keeping`; else 0.
  public let kept: Int64
  /// Where the next write goes, in bytes; at first behind what was kept. What is behind a position
  /// that was set back is dropped.
  public var position: Int64 { didSet { valid = min(valid, position) } }

  /// Nil where the file has no name yet.
  private let name: [UInt8]?
  /// The mode that it was made with, where that is known.
  private var mode: UInt32?
  private let target: [UInt8]
  private let folder: Folder
  private var descriptor: Int32
  /// What the file holds; the first `valid` bytes of that are ours.
  private var length: Int64
  private var valid: Int64

  /// How long an earlier transfer is waited for, in nanoseconds: its connection has ended, and it
  /// has the rest of a window to write. One that goes on is not waited for any longer.
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

  /// A file without a name.
  private init(unnamed descriptor: Int32, mode: UInt32, target: [UInt8], folder: Folder) {
    (name, self.descriptor, self.mode) = (nil, descriptor, mode)
    (length, kept, position, valid) = (0, 0, 0, 0)
    self.target = target
    self.folder = folder
  }

  deinit { closeDescriptor() }

  /// A partial file of `name` in `folder` that has no name at all before it is committed: nothing of
  /// it is left where its transfer breaks off. It takes half the system calls, which counts for a
  /// small file.
  ///
  /// - Parameter mode: what it is to have in the end.
  /// - Returns: nil where the file system has no such files.
  /// - Throws: as `open`.
  public static func openUnnamed(
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

  /// Makes the partial file of `name` in `folder`, or takes up one that was left there. With
  /// `keeping`, its bytes stay and are `kept`; else they are dropped. Who `waits` gives a transfer
  /// that has broken off, and has not let go of it yet, some time to do so.
  ///
  /// - Throws: `.busy` where eight transfers of that name are going on; `.badPath` where `name` is no
  ///   name; `.notPermitted`, `.noSpace`.
  public static func open(
    for name: [UInt8], in folder: Folder, keeping: Bool, waits: Bool = false
  ) throws(FileError) -> Partial {
    let path = try folder.checked(name)
    let deadline = waits ? monotonicNow() + Self.patience : 0
    let claimed = try PartialClaim(for: name, in: folder, path, deadline: deadline)
    let partial = Partial(claimed, target: name, folder: folder, keeping: keeping)
    try partial.dropInvalid()
    return partial
  }

  /// Whether `name` is that of a partial file, of whatever destination.
  public static func isPartial(_ name: [UInt8]) -> Bool { PartialName.matches(name) }

  /// Reads at most as much as `buffer` takes, from `offset` bytes on. Returns how many bytes it was,
  /// 0 at the end and beyond.
  ///
  /// - Throws: `.io`, or what else read(2) answers.
  public func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(FileError) -> Int {
    while true {
      let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
      if count >= 0 { return count }
      if errno != EINTR { throw error("read what is left of", errno) }
    }
  }

  /// Drops all bytes, and starts again at position 0.
  ///
  /// - Throws: `.io`.
  public func restart() throws(FileError) {
    position = 0
    try dropInvalid()
  }

  /// Writes all of `bytes` at `position`, which moves on by what was written, before an error too.
  ///
  /// - Throws: `.noSpace`, `.tooLarge`, `.io`.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
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

  /// Leaves a hole of `count` bytes, which read as zeros.
  public func skip(_ count: Int64) { position += count }

  /// Ends the file at `position`, and gives it its permissions (0 to 0o7777) and the time of its last
  /// change. It still has its hidden name.
  ///
  /// - Throws: `.noSpace`, `.tooLarge`, `.io`, `.notPermitted`.
  public func finish(mode: UInt32, modifiedNS: Int128?) throws(FileError) {
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

  /// Writes the file to the storage: fsync(2).
  ///
  /// - Throws: `.io`, `.noSpace`: what was written may be lost.
  public func sync() throws(FileError) {
    guard fsync(descriptor) == 0 else { throw error("sync", errno) }
  }

  /// Writes all of the file system that it is on to the storage: syncfs(2).
  ///
  /// - Throws: as `sync()`.
  func syncFileSystem() throws(FileError) {
    let result = telpher_sync_file_system(descriptor)
    guard result == 0 else { throw error("sync", -result) }
  }

  /// Gives the file its name, in one step, and closes it, unless its descriptor is kept for
  /// `syncFileSystem()`. If that fails the partial file stays.
  ///
  /// - Throws: `.exists` where it may not replace; `.notAFile` where a folder is in the way;
  ///   `.notPermitted`, `.noSpace`, `.io`.
  public func commit(replacing: Bool, keepingDescriptor: Bool = false) throws(FileError) {
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

  /// Removes the file, and closes it. As far as that goes: what can't be removed stays as a stale
  /// one. Otherwise a partial file stays when its `Partial` goes.
  public func discard() {
    guard descriptor >= 0 else { return }
    if let name { _ = folder.removeUnchecked(name, isFolder: false) }
    closeDescriptor()
  }

  /// Gives an unnamed file its name: 0, or the errno.
  private func nameUnnamed(replacing: Bool) -> Int32 {
    func give(_ name: [UInt8]) -> Int32 {
      -name.withCPath { telpher_name(descriptor, folder.descriptor.number, $0) }
    }
    var error = give(target)
    guard error == EEXIST, replacing else { return error }
    // Only rename(2) replaces, and that wants a name: a partial's, locked so that nobody takes it up.
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

  /// Where it is going to be.
  var path: RelativePath { folder.path.appending(unchecked: target) }

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
