internal import Glibc
internal import TelpherTransport

/// The socket that server and client use if the user names no address.
struct DefaultSocket: Sendable {
  /// The socket's folder, which must belong to the user and be closed to all others.
  let folder: String
  /// The path of the socket.
  var path: String { folder + "/telpher.sock" }
  /// A file that every server at this socket locks with flock(2) until its process ends. A draining
  /// server still holds the lock after it has stopped listening.
  private var lockPath: String { folder + "/telpher.lock" }

  init(folder: String) { self.folder = folder }

  /// The sockets at which the user's server may listen, the likelier first. XDG_RUNTIME_DIR is
  /// missing after su(1), in cron(8) and in services, and may name another user's folder. If the
  /// server was started with the right one, its socket is in the folder that systemd gives each user
  /// (pam_systemd(8)).
  static func candidates(
    environment: [String: String], user: uid_t = geteuid()
  ) -> [DefaultSocket] {
    let first = DefaultSocket(environment: environment, user: user)
    let isSet = environment["XDG_RUNTIME_DIR"]?.hasPrefix("/") == true
    return isSet && first.faultOfFolder() == nil
      ? [first] : [first, DefaultSocket(folder: "/run/user/\(user)")]
  }

  /// Takes a shared lock that this process holds until it ends.
  ///
  /// - Throws: `Failure` if the lock file can't be made or locked.
  func holdLock() throws(Failure) {
    let file = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0, flock(file, LOCK_SH) == 0 else {
      throw Failure("cannot lock \(lockPath): \(describe(errno: errno))")
    }
  }

  /// Whether the process of a server of this socket runs, even if it does not listen any more.
  var hasServer: Bool {
    guard faultOfFolder() == nil else { return false }
    let file = open(lockPath, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else { return false }
    defer { close(file) }
    return flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }

  /// `$XDG_RUNTIME_DIR/telpher.sock`, else `/tmp/telpher-UID/telpher.sock`.
  init(environment: [String: String], user: uid_t = geteuid()) {
    // "All paths must be absolute; relative ones are ignored": the XDG base directory
    // specification.
    if let folder = environment["XDG_RUNTIME_DIR"], folder.hasPrefix("/") {
      self.folder = folder
    } else {
      folder = "/tmp/telpher-\(user)"
    }
  }

  /// Makes the folder if it is missing, and checks it.
  ///
  /// - Throws: `Failure` if it can't be made, or if other users could enter it.
  func prepareFolder() throws(Failure) {
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
      throw Failure(
        "cannot make the folder \(folder): \(describe(errno: errno)); to use another folder, give --listen unix:PATH"
      )
    }
    if let fault = faultOfFolder() {
      throw Failure("\(fault); to use another folder, give --listen unix:PATH")
    }
  }

  /// Whether the socket exists and only this user can have put it there.
  var isTrusted: Bool { access(path, F_OK) == 0 && faultOfFolder() == nil }

  /// Why an existing socket is not used; nil if it is used or does not exist.
  var distrustReason: String? { access(path, F_OK) == 0 ? faultOfFolder() : nil }

  /// Why the folder can't hold the user's socket: it is missing, or other users can change it; nil
  /// if it can.
  func faultOfFolder() -> String? {
    // Every user can write to /tmp: another one may have made a link or a folder of this name.
    var status = stat()
    guard lstat(folder, &status) == 0 else {
      return "cannot look at \(folder): \(describe(errno: errno))"
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { return "\(folder) is not a folder" }
    guard status.st_uid == geteuid() else {
      return "the folder \(folder) belongs to user \(status.st_uid), not to you"
    }
    guard status.st_mode & 0o077 == 0 else {
      return "others can enter the folder \(folder) (run 'chmod 700 \(folder)')"
    }
    return nil
  }
}
