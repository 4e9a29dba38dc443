internal import TelpherText
internal import TelpherTransport
internal import TelpherWire

extension RunRequest {
  /// What the login shell does, if it is the program.
  var loginShell: SpawnRequest.LoginShell? {
    guard login == true else { return nil }
    return shell.map { .line(SystemString($0.bytes)) } ?? .session
  }

  /// The arguments to execute, the program first; none for a login shell.
  var arguments: [SystemString] {
    if login == true { return [] }
    if let argv { return argv.map { SystemString($0.bytes) } }
    return ["/bin/sh", "-c", SystemString(shell?.bytes ?? [])]
  }

  /// Returns the whole environment of the command.
  ///
  /// - Parameter server: the environment that the server's commands start with.
  func environment(from server: LaunchEnvironment) -> LaunchEnvironment {
    var environment = cleanEnv == true ? LaunchEnvironment([:]) : server
    // PWD is the absolute path of the working directory (environ(7)). Remove the server's PWD if
    // the command's directory is relative.
    if let cwd {
      environment["PWD"] = cwd.bytes.first == UInt8(ascii: "/") ? SystemString(cwd.bytes) : nil
    }
    if let type = terminal?.type { environment["TERM"] = SystemString(type) }
    for (name, value) in env ?? [:] {
      environment[SystemString(name.text)] = value.map { SystemString($0.bytes) }
    }
    return environment
  }
}

extension TerminalSize {
  /// Converts the size that a client sent.
  init(_ size: ControlMessage.TerminalSize) {
    self.init(
      rows: size.rows, columns: size.columns, pixelWidth: size.width ?? 0,
      pixelHeight: size.height ?? 0)
  }
}
