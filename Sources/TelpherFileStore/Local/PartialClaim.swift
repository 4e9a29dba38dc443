internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// A partial file that this transfer has opened and locked. The owner closes the descriptor.
struct PartialClaim {
  let name: [UInt8]
  let descriptor: Int32
  let length: Int64

  /// The result of one attempt to claim one name.
  enum Outcome {
    case claimed(PartialClaim)
    /// Another transfer has locked the file.
    case locked
    /// The file is not usable: it belongs to another user, is not a regular file, or has other
    /// names.
    case foreign
    /// The file was renamed or removed before it was locked.
    case gone
    /// The file can't be opened or locked; the value is the errno.
    case refused(Int32)
  }

  /// The number of attempts at one name, if other transfers rename or remove the file each time.
  private static let attempts = 16
  /// The time between two attempts at a locked file, in microseconds. flock(2) has no timeout.
  private static let pause: UInt32 = 5_000

  /// Claims the first free slot of the destination `name`, at `path`, in `folder`. It retries a
  /// locked first slot until `deadline` (nanoseconds of the monotonic clock) and calls `pause`
  /// between two attempts. If a foreign file has one of the names and no other slot is free, it
  /// uses a random name. So files that others plant can't prevent a transfer.
  ///
  /// - Throws: `.busy` if transfers have locked all slots, or the error of opening one.
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
          // Probably only this file is the problem: it is another user's, or not a regular file.
          isObstructed = true
          break attempts
        case .refused(let error): throw FileError("write", path, errno: error)
        }
      }
    }
    guard isObstructed else {
      throw FileError(
        .busy, "write", path,
        "\(PartialName.slots) transfers of it are running; try again when one has ended")
    }
    switch Self.claim(PartialName.randomFile(), in: folder) {
    case .claimed(let claim): self = claim
    case .refused(let error): throw FileError("write", path, errno: error)
    case .locked, .foreign, .gone:
      throw FileError(
        .busy, "write", path, "another program changes its folder at the same time; try again")
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
    // Remove a file that was created here and can't be used, since nothing else would.
    if case .refused = outcome, fresh != 0 { _ = folder.removeUnchecked(name, isFolder: false) }
    telpher_unlock(descriptor)
    close(descriptor)
    return outcome
  }

  /// Locks the file that was opened as `name`. Checks that the name still refers to it, and that it
  /// may be written to.
  static func lock(
    _ descriptor: Int32, _ name: [UInt8], in folder: Folder, isFresh: Bool
  ) -> Outcome {
    var ours = stat()
    var named = stat()
    guard fstat(descriptor, &ours) == 0 else { return .refused(errno) }
    // Another user may have put a file there, locked or not, or a hard link to a user's file.
    guard ours.st_mode & S_IFMT == S_IFREG, ours.st_nlink <= 1, isFresh || ours.st_uid == geteuid()
    else { return .foreign }
    let locked = telpher_lock(descriptor)
    if locked == -EWOULDBLOCK { return .locked }
    if locked != 0 { return .refused(-locked) }
    guard fstat(descriptor, &ours) == 0 else { return .refused(errno) }
    let result = name.withCPath {
      fstatat(folder.descriptor.number, $0, &named, AT_SYMLINK_NOFOLLOW)
    }
    // The previous owner of the lock may have renamed the file to its destination.
    guard result == 0, ours.st_ino == named.st_ino, ours.st_dev == named.st_dev else {
      return .gone
    }
    // A hard link may have been made before the file was locked.
    guard ours.st_nlink == 1 else { return .foreign }
    return .claimed(
      PartialClaim(name: name, descriptor: descriptor, length: Int64(ours.st_size)))
  }
}
