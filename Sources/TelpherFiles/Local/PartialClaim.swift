internal import CTelpherSys
internal import Glibc

/// A partial file that is open and locked, by us alone. Whoever takes it closes the descriptor.
struct PartialClaim {
  let name: [UInt8]
  let descriptor: Int32
  let length: Int64

  /// What became of one attempt at one name.
  enum Outcome {
    case claimed(PartialClaim)
    /// Another transfer has it.
    case locked
    /// It is not ours: another user's, or one that has other names too.
    case foreign
    /// It was renamed or removed before it was locked.
    case gone
    /// It can't be opened: the errno.
    case refused(Int32)
  }

  /// How often a name is tried that others finish with each time.
  private static let attempts = 16
  /// Microseconds between two looks at a name that is waited for: flock(2) can't be told how long.
  private static let pause: UInt32 = 5_000

  /// Claims the first free slot of the destination `name`, at `path`, in `folder`. Until `deadline`
  /// (of the monotonic clock, in nanoseconds) it is the first slot that is waited for, with a `pause`
  /// between two looks at it. If something of another's has one of the names, a name that nothing has
  /// is used after them: it can't be foreseen, so no planted file keeps a destination from being stored.
  ///
  /// - Throws: `.busy` if all slots are taken by transfers, or what opening one says.
  init(
    for name: [UInt8], in folder: Folder, _ path: RelativePath, deadline: UInt64 = 0,
    pause: () -> Void = { usleep(Self.pause) }
  ) throws(FileError) {
    var isObstructed = false
    for slot in 0..<PartialName.slots {
      let partial = PartialName.ofFile(name, slot: slot)
      var attempts = Self.attempts
      attempts: while attempts > 0 {
        attempts -= 1
        switch Self.claim(partial, in: folder) {
        case .claimed(let claim):
          self = claim
          return
        case .gone: continue
        case .locked where slot == 0 && monotonicNow() < deadline:
          pause()
          attempts += 1
        case .locked: break attempts
        case .foreign:
          isObstructed = true
          break attempts
        case .refused(let error) where [EACCES, EPERM, ELOOP, EISDIR, ENXIO].contains(error):
          // Of this one file perhaps: another user's, or something else by that name.
          isObstructed = true
          break attempts
        case .refused(let error): throw FileError("write", path, errno: error)
        }
      }
    }
    guard isObstructed else {
      throw FileError(.busy, "write", path, "\(PartialName.slots) transfers of it are going on")
    }
    switch Self.claim(PartialName.unforeseen(), in: folder) {
    case .claimed(let claim): self = claim
    case .refused(let error): throw FileError("write", path, errno: error)
    case .locked, .foreign, .gone:
      throw FileError(.busy, "write", path, "another program changes its folder at the same time")
    }
  }

  private init(name: [UInt8], descriptor: Int32, length: Int64) {
    self.name = name
    self.descriptor = descriptor
    self.length = length
  }

  private static func claim(_ name: [UInt8], in folder: Folder) -> Outcome {
    var fresh: Int32 = 0
    let descriptor = name.withCPath {
      telpher_open_partial(folder.descriptor.number, $0, &fresh)
    }
    if descriptor < 0 { return .refused(-descriptor) }
    let outcome = lock(descriptor, name, in: folder, isFresh: fresh != 0)
    if case .claimed = outcome { return outcome }
    // What was made here and cannot be used would stay for good.
    if case .refused = outcome, fresh != 0 { _ = folder.removeUnchecked(name, isFolder: false) }
    telpher_unlock(descriptor)
    close(descriptor)
    return outcome
  }

  /// Locks what was opened as `name`, and looks whether it still is that, and may be written to.
  static func lock(
    _ descriptor: Int32, _ name: [UInt8], in folder: Folder, isFresh: Bool
  ) -> Outcome {
    var ours = stat()
    var named = stat()
    guard fstat(descriptor, &ours) == 0 else { return .refused(errno) }
    // A stranger may have laid a file of his there, locked or not, or a hard link to somebody's.
    guard ours.st_mode & S_IFMT == S_IFREG, ours.st_nlink <= 1, isFresh || ours.st_uid == geteuid()
    else { return .foreign }
    let locked = telpher_lock(descriptor)
    if locked == -EWOULDBLOCK { return .locked }
    if locked != 0 { return .refused(-locked) }
    guard fstat(descriptor, &ours) == 0 else { return .refused(errno) }
    let result = name.withCPath {
      fstatat(folder.descriptor.number, $0, &named, AT_SYMLINK_NOFOLLOW)
    }
    // Who had it locked before may have renamed it to its destination since.
    guard result == 0, ours.st_ino == named.st_ino, ours.st_dev == named.st_dev else {
      return .gone
    }
    // It may have got a second name before it was locked.
    guard ours.st_nlink == 1 else { return .foreign }
    return .claimed(
      PartialClaim(name: name, descriptor: descriptor, length: Int64(ours.st_size)))
  }
}
