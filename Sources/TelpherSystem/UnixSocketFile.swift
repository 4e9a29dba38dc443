internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// The file of a Unix socket: made in the place of one that a dead server left, and removed only
/// while it is still the one that was made.
struct UnixSocketFile: Sendable {
  /// How often a lock that somebody else holds is asked for, and the pause between (microseconds).
  private static let lockAttempts = 100
  private static let lockPause: UInt32 = 1000

  private let path: String
  private let device: dev_t
  private let inode: ino_t

  /// Calls `listen`, which makes the file and listens on it, once nothing stands in the way.
  ///
  /// - Throws: `TransportError.Code.addressInUse` where a server answers there, or the file is not a
  ///   socket; what `listen` throws, as an error of `what`.
  init(path: String, _ what: String, listen: () throws(ErrorNumber) -> Void) throws(TransportError)
  {
    // Two servers that start at once could both see the dead one's file, and the second remove what
    // the first has made. So both lock the folder. A lock that is not to be had stops nobody.
    let folder = Self.lockFolder(of: path)
    defer { if folder >= 0 { _ = Glibc.close(folder) } }
    try Self.clear(path, what)
    do { try listen() } catch { throw TransportError(what, errno: error.value) }
    var status = stat()
    lstat(path, &status)
    self.path = path
    (device, inode) = (status.st_dev, status.st_ino)
  }

  /// Removes the file, unless it is another's by now.
  func remove() {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode else { return }
    unlink(path)
  }

  /// Removes a socket's file where nobody answers.
  private static func clear(_ path: String, _ what: String) throws(TransportError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw TransportError(
        .addressInUse, "\(what): there is a file that is not a socket", errno: EADDRINUSE)
    }
    var target = try SystemAddress(.unix(path: path), what)
    // Asked by a socket of another kind, the kernel says whether there is a server (EPROTOTYPE) and
    // spares that one a connection from nobody.
    let probe = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard probe >= 0 else { throw TransportError(what, errno: errno) }
    defer { _ = Glibc.close(probe) }
    switch telpher_connect(probe, &target.storage) {
    case -ECONNREFUSED: unlink(path)
    case -ENOENT: break
    default:
      throw TransportError(.addressInUse, "\(what): a server answers there", errno: EADDRINUSE)
    }
  }

  private static func lockFolder(of path: String) -> Int32 {
    let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folder = end.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return -1 }
    var attempts = lockAttempts
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK, attempts > 0 {
      attempts -= 1
      usleep(lockPause)
    }
    return descriptor
  }
}
