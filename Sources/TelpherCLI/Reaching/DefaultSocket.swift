internal import Glibc

/// The socket that server and client use unless told otherwise.
struct DefaultSocket: Sendable {
  /// The folder, which must be the user's own and closed to all others.
  let folder: String
  /// The socket in it.
  var path: String { folder + "/telpher.sock" }

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
