import Glibc
import Testing

/// `run --reconnect`: the connection is cut, the server is killed, and the outputs, the input and the
/// status are those of a command that nothing happened to.
struct ReconnectTests {
  /// With TELPHER_SLOW=1 100 MiB and 200 cuts.
  private static let isSlow = getenv("TELPHER_SLOW") != nil

  private static let proxy =
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    .joined(separator: "/") + "/Programs/cutting_proxy.py"

  /// Calls `body` with the address of a proxy that cuts `cuts` connections to a server, each after
  /// at most `longest` bytes.
  ///
  /// - Returns: how many were cut.
  private func withCuts(
    _ cuts: Int, longest: Int, _ body: (Sandbox, String) async throws -> Void
  ) async throws -> Int {
    try await Sandbox.withJobs { sandbox in
      let (server, _) = try await sandbox.serve("--listen", "unix:\(sandbox.folder)/server")
      let near = sandbox.folder + "/near"
      // By env(1), so that the interpreter and its modules are both found by the sandbox's PATH.
      let proxy = try Child(
        [
          "env", "python3", Self.proxy, near, sandbox.folder + "/server", "\(cuts)", "\(longest)",
          "\(cuts)",
        ], environment: sandbox.environment)
      #expect(await proxy.line() == "listening")
      try await body(sandbox, "unix:" + near)
      server.signal(SIGTERM)
      #expect(await server.finish().status == 0)
      proxy.signal(SIGKILL)
      return await proxy.finish().text.split(separator: "\n").count { $0 == "cut" }
    }
  }

  @Test func bothOutputsAreExactWhereverTheConnectionIsCut() async throws {
    let (lines, cuts, longest) =
      Self.isSlow ? (13_000_000, 200, 1 << 20) : (700_000, 20, 500_000)
    let cut = try await withCuts(cuts, longest: longest) { sandbox, address in
      let script = "seq \(lines) & seq \(lines / 3) >&2; wait; exit 5"
      let line = """
        { telpher run --reconnect --on \(address) -- sh -c '\(script)'; echo $? >status; } \
        2>errors | sha256sum && sha256sum <errors && cat status
        """
      let result = try await sandbox.shell("cd \(sandbox.folder); \(line)")
      let expected = try await sandbox.shell(
        "seq \(lines) | sha256sum; seq \(lines / 3) | sha256sum; echo 5")
      #expect(result.text == expected.text)
      // Nothing of the job is left.
      #expect(try await sandbox.telpher("jobs", "--all").text == "")
    }
    #expect(cut > cuts / 2)
  }

  @Test func theInputIsExactWhereverTheConnectionIsCut() async throws {
    let (lines, cuts) = Self.isSlow ? (5_000_000, 100) : (400_000, 10)
    let cut = try await withCuts(cuts, longest: 500_000) { sandbox, address in
      let result = try await sandbox.shell(
        "seq \(lines) | telpher run --reconnect --on \(address) -i -- sh -c 'sha256sum; exit 3'; echo $?"
      )
      let expected = try await sandbox.shell("seq \(lines) | sha256sum; echo 3")
      #expect(result.text == expected.text)
      #expect(result.errorText == "")
    }
    #expect(cut >= 3)
  }

  @Test func aKilledServerAndANewOneMakeNoDifference() async throws {
    try await Sandbox.withJobs { sandbox in
      let address = "unix:\(sandbox.folder)/server"
      let gate = sandbox.folder + "/gate"
      mkfifo(gate, 0o600)
      let (first, _) = try await sandbox.serve("--listen", address)
      let run = try sandbox.start([
        "run", "--reconnect=60s", "--on", address, "--", "sh", "-c",
        "echo before; read line <'\(gate)'; echo $line; exit 9",
      ])
      #expect(await run.line() == "before")
      first.signal(SIGKILL)
      _ = await first.finish()
      // The command writes while there is no server.
      #expect(try await sandbox.shell("echo after >'\(gate)'").status == 0)
      let (second, _) = try await sandbox.serve("--listen", address)
      let end = await run.finish()
      #expect(end.text == "after\n")
      #expect(end.status == 9)
      #expect(end.errorText.contains("trying to reconnect to the command"))
      #expect(end.errorText.hasSuffix("reconnected to the command\n"))
      second.signal(SIGTERM)
      _ = await second.finish()
    }
  }

  @Test func aRelaysServerMayDieToo() async throws {
    try await Sandbox.withSSH { sandbox in
      sandbox.addSSH("echo $$ >>\(sandbox.folder)/servers")
      let gate = sandbox.folder + "/gate"
      mkfifo(gate, 0o600)
      let run = try sandbox.start([
        "run", "--reconnect=60s", "--on", "ssh://host", "--", "sh", "-c",
        "echo before; read line <'\(gate)'; echo $line; exit 9",
      ])
      #expect(await run.line() == "before")
      #expect(
        try await sandbox.shell("kill -9 $(tail -1 \(sandbox.folder)/servers)").status == 0)
      #expect(try await sandbox.shell("echo after >'\(gate)'").status == 0)
      let end = await run.finish()
      #expect(end.text == "after\n")
      #expect(end.status == 9)
      try await sandbox.endJobHost(by: SIGTERM)
    }
  }

  @Test func ifTheServerStaysUnreachableTheMessageNamesTheJob() async throws {
    try await Sandbox.withJobs { sandbox in
      let address = "unix:\(sandbox.folder)/server"
      let (server, _) = try await sandbox.serve("--listen", address)
      let run = try sandbox.start([
        "run", "--reconnect=200ms", "--name", "left", "--on", address, "--", "sh", "-c",
        "echo here; sleep 60",
      ])
      #expect(await run.line() == "here")
      server.signal(SIGKILL)
      _ = await server.finish()
      let end = await run.finish()
      #expect(end.status == 125)
      #expect(end.errorText.contains("the job could not be reached again"))
      #expect(end.errorText.contains("may still run"))
      #expect(try await sandbox.telpher("logs", "left").text == "here\n")
      #expect(try await sandbox.telpher("kill", "left").status == 0)
    }
  }

  @Test func aSmallJournalLosesNothingAndMakesTheCommandWait() async throws {
    try await Sandbox.withJobs { sandbox in
      let result = try await sandbox.shell(
        "telpher run --reconnect --journal 1M -- seq 900000 | sha256sum; seq 900000 | sha256sum")
      let hashes = result.text.split(separator: "\n")
      #expect(hashes.count == 2 && hashes[0] == hashes[1])
      #expect(result.errorText == "")
    }
  }

  @Test func aClosedOutputEndsTheCommandAsAPipeWould() async throws {
    try await Sandbox.withJobs { sandbox in
      let result = try await sandbox.shell(
        "{ telpher run --reconnect -- yes; echo $? >&2; } | head -1")
      #expect(result.text == "y\n")
      #expect(result.errorText == "141\n")
    }
  }

  @Test func signalsAndFailuresAreThoseOfAPlainRun() async throws {
    try await Sandbox.withJobs { sandbox in
      let missing = try await sandbox.telpher("run", "--reconnect", "--", "/nonexistent")
      #expect(missing.status == 127)
      let run = try sandbox.start([
        "run", "--reconnect", "--", "sh", "-c",
        "trap 'echo got; exit 4' TERM; echo ready; sleep 60 & wait",
      ])
      #expect(await run.line() == "ready")
      run.signal(SIGTERM)
      let end = await run.finish()
      #expect(end.text == "got\n")
      #expect(end.status == 4)
      let json = try await sandbox.telpher("run", "--reconnect", "--json", "--", "echo", "hello")
      #expect(json.text.contains("hello\\n"))
      #expect(json.status == 0)
    }
  }

  @Test(arguments: [
    ["--reconnect", "--detach"], ["--reconnect=soon"],
  ])
  func optionsThatExcludeReconnectingAreRefused(_ options: [String]) async throws {
    let sandbox = try Sandbox()
    let result = await (try sandbox.start(["run"] + options + ["--", "true"])).finish()
    #expect(result.status == 125)
    #expect(result.errorText.contains("reconnect") || result.errorText.contains("soon"))
  }
}
