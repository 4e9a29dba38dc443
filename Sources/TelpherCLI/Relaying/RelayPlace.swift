internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// The private folder with the sockets of this user's relays.
///
/// A socket is named after its key and build, `KEY.BUILD.sock`. A relay that accepts no clients any
/// more still describes itself at `PID.ending.sock`. `KEY.lock` is locked while a relay is started,
/// so that two clients start one; it exists only for that time.
struct RelayPlace {
  private let folder: String
  private static let suffix = ".sock"

  /// The folder of this user. Makes it if it is missing.
  ///
  /// - Throws: `Failure` if there is no folder that only this user can enter.
  init(environment: [String: String]) throws(Failure) {
    // XDG_RUNTIME_DIR may name another user's folder, as after su(1).
    let usable = DefaultSocket.candidates(environment: environment).first {
      $0.faultOfFolder() == nil
    }
    let parent = usable ?? DefaultSocket(environment: [:])
    if usable == nil { try parent.prepareFolder() }
    folder = parent.folder + "/telpher-relays"
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
      throw Failure("cannot make the folder \(folder): \(describe(errno: errno))")
    }
    if let fault = DefaultSocket(folder: folder).faultOfFolder() { throw Failure(fault) }
  }

  /// The path of the socket for a key; nil if it is too long for a socket.
  func socket(_ key: RelayKey) -> String? {
    let path = "\(folder)/\(key.name).\(RelayKey.build)\(Self.suffix)"
    return path.utf8.count <= Int(telpher_longest_unix_path()) ? path : nil
  }

  /// The path of the socket at which this process describes itself while it ends, in the folder of
  /// `socket`; nil if it is too long for a socket.
  static func endingSocket(beside socket: String) -> String? {
    let folder = socket.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    let path = "\(folder.joined(separator: "/"))/\(getpid())\(endingSuffix)"
    return path.utf8.count <= Int(telpher_longest_unix_path()) ? path : nil
  }

  private static let endingSuffix = ".ending" + suffix

  /// Removes the socket `path` of a relay that has died while it was ending.
  static func removeIfDead(_ path: String) {
    guard path.hasSuffix(endingSuffix), let name = path.split(separator: "/").last,
      let pid = pid_t(name.dropLast(endingSuffix.utf8.count)), kill(pid, 0) != 0, errno == ESRCH
    else { return }
    unlink(path)
  }

  /// The path of the lock for a key.
  func lock(_ key: RelayKey) -> String { "\(folder)/\(key.name).lock" }

  /// The paths of all sockets, in the order of their names.
  var sockets: [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var paths: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
      }
      if name.hasSuffix(Self.suffix) { paths.append("\(folder)/\(name)") }
    }
    return paths.sorted()
  }

  /// The paths of the sockets for a key by other builds.
  func foreignSockets(_ key: RelayKey) -> [String] {
    let own = socket(key)
    return sockets.filter { $0.hasPrefix("\(folder)/\(key.name).") && $0 != own }
  }

  /// The process that listens at the socket `path`; nil if there is none.
  static func process(listeningAt path: String) -> pid_t? {
    var address = telpher_address()
    let descriptor = Glibc.socket(
      AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var (uid, pid): (UInt32, Int32) = (0, 0)
    guard telpher_unix_address(path, &address) == 0, telpher_connect(descriptor, &address) == 0,
      telpher_peer_credentials(descriptor, &uid, &pid) == 0, uid == geteuid()
    else { return nil }
    return pid
  }
}

/// A lock that this process holds while it starts a relay. The kernel releases it with the process.
///
/// The file is removed before the lock is released. So a lock counts only if the path still leads to
/// the locked file: otherwise another process may hold a lock on a new file.
struct RelayLock: ~Copyable {
  private let path: String
  private let descriptor: Int32
  /// The pause between two attempts to get the lock.
  private static let pause = Duration.milliseconds(10)

  /// Waits for the lock at `path`, for `limit` at most.
  ///
  /// - Returns: nil if another process still holds it, or if it can't be made.
  static func take(_ path: String, within limit: Duration) async -> RelayLock? {
    let end = ContinuousClock.now + limit
    while true {
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
      guard descriptor >= 0 else { return nil }
      let isLocked = flock(descriptor, LOCK_EX | LOCK_NB) == 0
      let isHeld = !isLocked && errno == EWOULDBLOCK
      if isLocked, leads(path, to: descriptor) {
        return RelayLock(path: path, descriptor: descriptor)
      }
      close(descriptor)
      guard isLocked || isHeld, ContinuousClock.now < end else { return nil }
      if isHeld { try? await Task.sleep(for: pause) }
    }
  }

  /// Whether the file at `path` is the open one.
  private static func leads(_ path: String, to descriptor: Int32) -> Bool {
    var (named, opened) = (stat(), stat())
    return lstat(path, &named) == 0 && fstat(descriptor, &opened) == 0
      && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino
  }

  private init(path: String, descriptor: Int32) {
    (self.path, self.descriptor) = (path, descriptor)
  }

  deinit {
    unlink(path)
    close(descriptor)
  }
}
