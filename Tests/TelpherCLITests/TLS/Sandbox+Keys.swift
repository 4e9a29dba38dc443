import Glibc
import Testing

/// Clients with ssh keys.
extension Sandbox {
  /// Runs `body` with a server that takes the keys of `~/.ssh/authorized_keys`.
  ///
  /// - Parameters:
  ///   - keys: the keys to make, each with the options of its line; nil for a key without a line.
  ///   - body: gets the sandbox and the address.
  static func withKeys(
    _ keys: [(name: String, options: String?)], keep: String = "0", _ more: [String] = [],
    _ body: (Sandbox, String) async throws -> Void
  ) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      let made = try await sandbox.shell(
        "mkdir -m 700 \(sandbox.folder)/.ssh; "
          + keys.map { "ssh-keygen -q -t ed25519 -N '' -C '' -f \(sandbox.folder)/\($0.name)" }
          .joined(separator: "; "))
      #expect(made.status == 0)
      var lines = ""
      for (name, options) in keys {
        guard let options else { continue }
        let key = try await sandbox.shell("cat \(sandbox.folder)/\(name).pub").text
        lines += options.isEmpty ? key : "\(options) \(key)"
      }
      sandbox.write(lines, to: "\(sandbox.folder)/.ssh/authorized_keys")
      let server = try sandbox.start(["serve", "--listen", "tls:127.0.0.1:0"] + more)
      guard let line = await server.line(), let port = line.split(separator: ":").last else {
        throw Failed("no server: \(await server.finish().errorText)")
      }
      let address = "tls://127.0.0.1:\(port)"
      let result: Result<Void, any Error>
      do { result = .success(try await body(sandbox, address)) } catch { result = .failure(error) }
      _ = try await sandbox.telpher("disconnect", "--now")
      server.signal(SIGTERM)
      #expect(await server.finish().status == 0)
      try result.get()
    }
  }

  /// Runs a command of the program with a key.
  func telpher(
    at address: String, key: String, _ arguments: String...
  ) async throws -> Finished {
    try await start(
      [arguments[0], "--on", address, "--accept-new", "--identity", "\(folder)/\(key)"]
        + arguments.dropFirst()
    ).finish()
  }
}
