internal import CTelpherAccount
internal import Glibc

/// What decides whether a user of the system may log in with a key, as sshd(8) without PAM decides, and
/// stricter where this server can't do what the user's shell does.
package struct Login: Sendable {
  /// The path of the login shell; empty for /bin/sh.
  let shell: String
  /// Whether the user is the superuser, whom nologin(5) does not keep out.
  let isSuperuser: Bool
  /// What shadow(5) says about the account.
  let password: Password

  /// What shadow(5) says.
  package enum Password: Sendable, Equatable {
    /// The account is disabled from this day on, counted from 1970; nil for never. A locked one is disabled
    /// now.
    case entry(expires: Int?, isLocked: Bool)
    /// It can't be read: errno(3).
    case unknown(Int32)
  }

  /// The rules of the system at one moment.
  package struct System: Sendable {
    /// The shells of shells(5).
    let shells: Set<String>
    /// Whether only the superuser may log in: nologin(5).
    let isClosed: Bool
    /// The day since 1970, in UTC.
    let day: Int

    package init(shells: Set<String>, isClosed: Bool, day: Int) {
      (self.shells, self.isClosed, self.day) = (shells, isClosed, day)
    }

    /// Those of this system now.
    static func current() -> System {
      var shells: Set<String> = []
      setusershell()
      while let shell = getusershell() { shells.insert(String(cString: shell)) }
      endusershell()
      return System(
        shells: shells,
        // A file that can't be looked for may be there.
        isClosed: ["/etc/nologin", "/run/nologin"].contains { (path: String) in
          access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR)
        },
        day: time(nil) / 86_400)
    }
  }

  package init(shell: String, isSuperuser: Bool, password: Password) {
    self.shell = shell.isEmpty ? "/bin/sh" : shell
    self.isSuperuser = isSuperuser
    self.password = password
  }

  /// The login of an entry of passwd(5).
  init(_ entry: passwd) {
    var expires = 0
    var first: CChar = 0
    let found = telpher_password_entry(entry.pw_name, &expires, &first)
    let password: Password
    if found < 0 {
      password = .unknown(-found)
    } else {
      // Without an entry, the field of passwd(5) is the password.
      if found == 0 { (expires, first) = (-1, entry.pw_passwd?.pointee ?? 0) }
      password = .entry(
        expires: expires < 0 ? nil : expires, isLocked: first == CChar(UInt8(ascii: "!")))
    }
    self.init(
      shell: entry.pw_shell.map { String(cString: $0) } ?? "", isSuperuser: entry.pw_uid == 0,
      password: password)
  }

  /// The names of shells that run any command. A shell of another name may restrict what its user does
  /// (rbash, git-shell, a wrapper), and this server does not run commands by it.
  package static let unrestricted: Set<String> = [
    "sh", "ash", "bash", "busybox", "csh", "dash", "elvish", "fish", "ksh", "ksh93", "lksh",
    "loksh",
    "mksh", "nu", "oksh", "posh", "pwsh", "tcsh", "xonsh", "yash", "zsh",
  ]

  /// Why the user may not log in with a key; nil if it may. For the server's log.
  package func fault(_ system: System) -> String? {
    if system.isClosed, !isSuperuser { return "no one may log in now (nologin(5))" }
    switch password {
    case .unknown(let error): return "shadow(5) can't be read: errno \(error)"
    case .entry(_, isLocked: true): return "the account is locked ('!' in shadow(5))"
    case .entry(let expires?, _) where system.day >= expires: return "the account has expired"
    case .entry: break
    }
    let name = shell.split(separator: "/").last.map(String.init) ?? ""
    guard Self.unrestricted.contains(name) else {
      return "its shell \(shell) may restrict the commands that it runs"
    }
    guard system.shells.contains(shell) else { return "its shell \(shell) is not in /etc/shells" }
    var status = stat()
    guard stat(shell, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o111 != 0
    else { return "its shell \(shell) can't be executed" }
    return nil
  }
}
