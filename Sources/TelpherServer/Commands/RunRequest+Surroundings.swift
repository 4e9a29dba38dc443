internal import TelpherTransport
internal import TelpherWire

extension RunRequest {
  /// What is executed, the program first.
  var arguments: [SystemString] {
    if let argv { return argv.map { SystemString($0.bytes) } }
    return ["/bin/sh", "-c", SystemString(shell?.bytes ?? [])]
  }

  /// The whole environment of the command.
  ///
  /// - Parameter server: the variables that the server gives its commands.
  func environment(from server: [SystemString: SystemString]) -> [SystemString: SystemString] {
    var environment = cleanEnv == true ? [:] : server
    // PWD names the working directory (environ(7)). The server's own is not that of a command that
    // runs elsewhere, and a relative path can't be its value.
    if let cwd {
      environment["PWD"] = cwd.bytes.first == UInt8(ascii: "/") ? SystemString(cwd.bytes) : nil
    }
    for (name, value) in env ?? [:] {
      environment[SystemString(name)] = value.map { SystemString($0.bytes) }
    }
    return environment
  }
}
