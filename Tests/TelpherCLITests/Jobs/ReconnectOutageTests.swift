import Glibc
import Testing

/// `run --reconnect` after outages: a network that is down for a while, a suspended client, a server
/// that breaks off each connection. The output and the status are those of a command that nothing
/// happened to.
@Suite(.timeLimit(.minutes(10))) struct ReconnectOutageTests {
  private static let proxy =
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    .joined(separator: "/") + "/Programs/switched_proxy.py"

  /// A client whose connection goes through a proxy. Its command has written half of its output and
  /// waits.
  private struct Run {
    let sandbox: Sandbox
    /// Its standard output is the client's standard error; the client's output is a file.
    let client: Child
    let proxy: Child

    init(_ sandbox: Sandbox, patience: String) async throws {
      self.sandbox = sandbox
      proxy = try Child(
        [
          "env", "python3", ReconnectOutageTests.proxy, sandbox.folder + "/near",
          sandbox.folder + "/server",
        ], environment: sandbox.environment, input: .pipe)
      #expect(await proxy.line() == "listening")
      mkfifo(sandbox.folder + "/gate", 0o600)
      let script = "seq 200000; echo half >&2; read line <gate; seq 300000; exit 9"
      client = try Child(
        [
          "/bin/sh", "-c",
          "cd '\(sandbox.folder)'; exec '\(Sandbox.program)' run --reconnect=\(patience) --on unix:near --cwd \"$PWD\" -- sh -c '\(script)' 2>&1 >out",
        ], environment: sandbox.environment)
      #expect(await client.line() == "half")
    }

    /// Switches the proxy.
    func network(_ mode: String) async {
      await proxy.write(mode + "\n")
      #expect(await proxy.line() == "ok")
    }

    /// Lets the command write the rest.
    func goOn() async throws {
      #expect(try await sandbox.shell("echo >'\(sandbox.folder)/gate'").status == 0)
    }

    /// Checks that all of the output has arrived once, and the status.
    func endsExactly() async throws {
      #expect(await client.finish().status == 9)
      let hashes = try await sandbox.shell(
        "cd '\(sandbox.folder)'; sha256sum <out; { seq 200000; seq 300000; } | sha256sum"
      ).text.split(separator: "\n")
      #expect(hashes.count == 2 && hashes[0] == hashes[1])
      #expect(try await sandbox.telpher("jobs", "--all").text == "")
    }
  }

  private func withServer(
    _ options: String..., body: (Sandbox) async throws -> Void
  ) async throws {
    try await Sandbox.withJobs { sandbox in
      let server = try sandbox.start(
        ["serve", "--listen", "unix:\(sandbox.folder)/server"] + options)
      #expect(await server.line()?.hasPrefix("listening on ") == true)
      try await body(sandbox)
      server.signal(SIGTERM)
      #expect(await server.finish().status == 0)
    }
  }

  @Test func aNetworkThatIsDownForAWhileMakesNoDifference() async throws {
    try await withServer { sandbox in
      let run = try await Run(sandbox, patience: "60s")
      await run.network("down")
      #expect(await run.client.line()?.contains("trying to reconnect") == true)
      // The command writes while nothing reaches the client.
      try await run.goOn()
      await run.network("up")
      #expect(await run.client.line()?.hasSuffix("reconnected to the command") == true)
      try await run.endsExactly()
    }
  }

  @Test func aClientThatIsSuspendedTooLongReconnects() async throws {
    try await withServer("--client-timeout", "1s") { sandbox in
      let run = try await Run(sandbox, patience: "60s")
      run.client.signal(SIGSTOP)
      try await run.goOn()
      // The server gives the client up.
      #expect(await run.proxy.line() == "closed")
      run.client.signal(SIGCONT)
      try await run.endsExactly()
    }
  }

  /// The time limit of an outage goes on although each attempt gets a connection. If each
  /// connection began a new outage, the client would never give up.
  @Test func aServerThatBreaksOffEachConnectionIsGivenUpInTime() async throws {
    try await withServer { sandbox in
      let run = try await Run(sandbox, patience: "1s")
      await run.network("greet")
      #expect(await run.client.line()?.contains("trying to reconnect") == true)
      let message = await run.client.line()
      #expect(message?.contains("the job could not be reached again") == true)
      #expect(await run.client.finish().status == 125)
      let list = try await sandbox.telpher("jobs").text
      let job = String(try #require(list.split(separator: "\n").last).prefix(8))
      #expect(try await sandbox.telpher("kill", job).status == 0)
    }
  }
}
