internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// The private folder with the sockets of this user's relays.
///
/// A socket is named after its key and build, `KEY.BUILD.sock`. `KEY.lock` is locked while a relay
/// is started, so that two clients start one.
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
struct RelayLock: ~Copyable {
  private let descriptor: Int32
  /// The pause between two attempts to get the lock.
  private static let pause = Duration.milliseconds(10)

  /// Waits for the lock at `path`, for `limit` at most.
  ///
  /// - Returns: nil if another process still holds it, or if it can't be made.
  static func take(_ path: String, within limit: Duration) async -> RelayLock? {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return nil }
    let end = ContinuousClock.now + limit
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK, ContinuousClock.now < end else {
        close(descriptor)
        return nil
      }
      try? await Task.sleep(for: pause)
    }
    return RelayLock(descriptor: descriptor)
  }

  private init(descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }
}
