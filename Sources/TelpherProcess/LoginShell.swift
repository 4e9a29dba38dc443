internal import Glibc
package import TelpherTransport

extension SpawnRequest {
  /// The request with the login shell, if it asks for one, as its program. May block: accounts can
  /// come from the network.
  package func withLoginShell() -> SpawnRequest {
    guard let loginShell else { return self }
    let account = Account.own
    var request = self
    request.program = account.shell
    let name = account.shell.bytes.split(separator: UInt8(ascii: "/")).last ?? []
    switch loginShell {
    // The dash makes it a login shell: bash(1), "Invocation".
    case .session: request.arguments = [SystemString([UInt8(ascii: "-")] + name)]
    case .line(let line): request.arguments = [SystemString(Array(name)), "-c", line]
    }
    let variables: [(SystemString, SystemString)] = [
      ("HOME", account.home), ("SHELL", account.shell), ("USER", account.name),
      ("LOGNAME", account.name),
    ]
    for (name, value) in variables where request.environment[name] == nil {
      request.environment[name] = value
    }
    if directory == nil {
      let home = request.environment["HOME"] ?? account.home
      let start = Self.isFolder(home) ? home : "/"
      request.directory = start
      request.environment["PWD"] = start
    }
    request.loginShell = nil
    return request
  }

  private static func isFolder(_ path: SystemString) -> Bool {
    path.withCString { path in
      var status = stat()
      return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        && access(path, X_OK) == 0
    }
  }
}

/// The account of this process's user: passwd(5).
private struct Account {
  let name: SystemString
  let home: SystemString
  let shell: SystemString

  /// The most memory for an entry, in bytes: no real one is that long.
  private static let longestEntry = 1 << 20

  /// The entry of the effective user. A user without one, as in some containers, gets /bin/sh and /.
  static var own: Account {
    var size = 4_096
    while size <= longestEntry {
      var buffer = [CChar](repeating: 0, count: size)
      var entry = passwd()
      var found: UnsafeMutablePointer<passwd>?
      let result = getpwuid_r(geteuid(), &entry, &buffer, size, &found)
      if result == 0, found != nil { return Account(entry) }
      guard result == ERANGE || result == EINTR else { break }
      if result == ERANGE { size *= 2 }
    }
    return Account(name: SystemString("\(geteuid())"), home: "/", shell: "/bin/sh")
  }

  private init(name: SystemString, home: SystemString, shell: SystemString) {
    (self.name, self.home, self.shell) = (name, home, shell)
  }

  /// Copies an entry whose strings are valid.
  private init(_ entry: passwd) {
    func text(_ field: UnsafePointer<CChar>?, _ otherwise: SystemString) -> SystemString {
      guard let field, field.pointee != 0 else { return otherwise }
      return SystemString(Array(UnsafeRawBufferPointer(start: field, count: strlen(field))))
    }
    name = text(entry.pw_name, SystemString("\(geteuid())"))
    home = text(entry.pw_dir, "/")
    shell = text(entry.pw_shell, "/bin/sh")
  }
}
