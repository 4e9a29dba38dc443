internal import Glibc

/// The socket that server and client use unless told otherwise.
struct DefaultSocket: Sendable {
  /// The folder, which must be the user's own and closed to all others.
  let folder: String
  /// The socket in it.
  var path: String { folder + "/telpher.sock" }
  /// A file that every server at this socket holds a lock of (flock(2)) as long as it lives: longer
  /// than it listens, since one that is ending lets its commands finish first.
  private var lockPath: String { folder + "/telpher.lock" }

  private init(folder: String) { self.folder = folder }

  /// The sockets at which a server of this user's may be, the likelier first. XDG_RUNTIME_DIR is
  /// missing after su(1), in cron(8) and in services, and the server may have been started where it
  /// was not: then it is at the place that systemd gives each user (pam_systemd(8)).
  static func candidates(
    environment: [String: String], user: uid_t = geteuid()
  ) -> [DefaultSocket] {
    let first = DefaultSocket(environment: environment, user: user)
    let hasFolder = environment["XDG_RUNTIME_DIR"]?.hasPrefix("/") == true
    return hasFolder ? [first] : [first, DefaultSocket(folder: "/run/user/\(user)")]
  }

  /// Takes this server's share of the lock, for as long as this process lives.
  ///
  /// - Throws: `Failure` where the file can't be made.
  func holdLock() throws(Failure) {
    let file = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0, flock(file, LOCK_SH) == 0 else {
      throw Failure("cannot lock \(lockPath): \(String(cString: strerror(errno)))")
    }
  }

  /// Whether a server lives that belongs to this socket, whether or not it listens.
  var hasServer: Bool {
    guard faultOfFolder() == nil else { return false }
    let file = open(lockPath, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else { return false }
    defer { close(file) }
    return flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }

  /// `$XDG_RUNTIME_DIR/telpher.sock`, else `/tmp/telpher-UID/telpher.sock`.
  init(environment: [String: String], user: uid_t = geteuid()) {
    // "All paths must be absolute; relative ones are ignored": the XDG base directory specification.
    if let folder = environment["XDG_RUNTIME_DIR"], folder.hasPrefix("/") {
      self.folder = folder
    } else {
      folder = "/tmp/telpher-\(user)"
    }
  }

  /// Makes the folder where it is not there, and checks it.
  ///
  /// - Throws: `Failure` where it can't be made or others could get at it.
  func prepareFolder() throws(Failure) {
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
      throw Failure("cannot make the folder \(folder): \(String(cString: strerror(errno)))")
    }
    if let fault = faultOfFolder() {
      throw Failure("\(fault); choose another with --listen unix:PATH")
    }
  }

  /// Whether there may be a server of this user's there: nobody else can have put the socket there.
  var isTrusted: Bool { access(path, F_OK) == 0 && faultOfFolder() == nil }

  /// Why a socket that is there is not used; nil if there is none, or it is used.
  var whyDistrusted: String? { access(path, F_OK) == 0 ? faultOfFolder() : nil }

  private func faultOfFolder() -> String? {
    // /tmp belongs to all: somebody may have put a link or a folder of theirs there first.
    var status = stat()
    guard lstat(folder, &status) == 0 else {
      return "cannot look at \(folder): \(String(cString: strerror(errno)))"
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { return "\(folder) is not a folder" }
    guard status.st_uid == geteuid() else {
      return "the folder \(folder) belongs to user \(status.st_uid)"
    }
    guard status.st_mode & 0o077 == 0 else {
      return "others can enter the folder \(folder) (chmod 700 it)"
    }
    return nil
  }
}
