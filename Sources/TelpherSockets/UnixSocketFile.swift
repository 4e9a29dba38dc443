internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// Which file the file of a Unix socket is, so that another one of the same name is not taken for it.
package struct SocketFileIdentity: Sendable, Equatable, Codable {
  private let device: UInt64
  private let inode: UInt64

  init(_ status: stat) {
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
  }

  /// The file at `path`; nil if there is none.
  package init?(ofFileAt path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    self.init(status)
  }
}

/// The file of a Unix socket. It replaces a file that a dead server left. It is removed only while
/// it is still the file that was created here.
struct UnixSocketFile: Sendable {
  /// How often to ask for a lock that another process holds, and the pause between two attempts in
  /// microseconds.
  private static let lockAttempts = 100
  private static let lockPause: UInt32 = 1000

  private let path: String
  /// Which file it is.
  let identity: SocketFileIdentity

  /// Removes the socket file of a dead server, then calls `listen`, which creates the file and
  /// listens on it.
  ///
  /// - Throws: `TransportError.Code.addressInUse` if a server listens there or the file is not a
  ///   socket. An error of `listen`, with `what` as the operation.
  init(path: String, _ what: String, listen: () throws(ErrorNumber) -> Void) throws(TransportError)
  {
    // Two servers that start at the same time could both see the file of the dead server, and the
    // second could remove the file that the first has created. So both lock the folder. A server
    // that does not get the lock goes on without it.
    let folder = Self.lockFolder(of: path)
    defer { if folder >= 0 { _ = Glibc.close(folder) } }
    try Self.clear(path, what)
    do { try listen() } catch { throw TransportError(what, errno: error.value) }
    var status = stat()
    lstat(path, &status)
    self.path = path
    identity = SocketFileIdentity(status)
  }

  /// The file that another process has created, whose socket this process has taken over.
  init(path: String, identity: SocketFileIdentity) {
    self.path = path
    self.identity = identity
  }

  /// Removes the file, unless another file has replaced it.
  func remove() {
    guard SocketFileIdentity(ofFileAt: path) == identity else { return }
    unlink(path)
  }

  /// Removes the socket file if no server listens there.
  private static func clear(_ path: String, _ what: String) throws(TransportError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw TransportError(
        .addressInUse, "\(what): a file that is not a socket already exists there",
        errno: EADDRINUSE)
    }
    var target = try SystemAddress(.unix(path: path), what)
    // The probe is a datagram socket. The kernel then reports whether a server listens (EPROTOTYPE)
    // without making a connection that the server would have to accept.
    let probe = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard probe >= 0 else { throw TransportError(what, errno: errno) }
    defer { _ = Glibc.close(probe) }
    switch telpher_connect(probe, &target.storage) {
    case -ECONNREFUSED: unlink(path)
    case -ENOENT: break
    default:
      throw TransportError(
        .addressInUse, "\(what): another server already listens there", errno: EADDRINUSE)
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
