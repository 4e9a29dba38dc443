import Glibc
import Testing

/// The terminal's attributes after each end are those from before.
@Suite(.timeLimit(.minutes(10))) struct TerminalEndTests {
  /// A client on a terminal, whose command has printed "ready" and waits.
  private struct Waiting {
    let child: TerminalChild
    let before: [UInt8]

    /// - Parameter line: shell code that runs before the command waits.
    init(
      _ sandbox: Sandbox, _ line: String = "", options: [String] = [],
      wait: String = "exec sleep 600"
    ) async throws {
      // The shell keeps the terminal open after the client's end, so that its attributes stay.
      child = try TerminalChild(
        ["/bin/sh", "-c", "\"$@\"; echo status $?; read x", "sh", Sandbox.program, "run", "-t"]
          + options + ["--", "sh", "-c", "\(line) echo rea''dy; \(wait)"],
        environment: sandbox.environment, directory: sandbox.folder)
      before = child.attributes
      #expect(await child.find("ready"))
      // The terminal is in raw mode, unless the command may have ended by itself already.
      if options.first != "--timeout" { #expect(child.attributes != before) }
    }

    /// Checks the client's status and the terminal.
    func ends(with status: Int32, saying message: String? = nil) async {
      if let message {
        let isSaid = await child.find(message)
        #expect(isSaid, "\(message)")
      }
      let isFound = await child.find("status \(status)\r\n")
      #expect(isFound, "status \(status)")
      #expect(child.attributes == before)
    }

    /// The client's process id: it is the shell's only child.
    func client() async throws -> Int32 {
      let list = await
        (try Child(
          ["pgrep", "-P", "\(child.pid)"], environment: ["PATH": "/usr/bin:/bin"])).finish().text
      guard let pid = Int32(list.split(separator: "\n").first ?? "") else { throw Failed(list) }
      return pid
    }
  }

  @Test func afterTheExit() async throws {
    let waiting = try await Waiting(try Sandbox(), wait: "cat; exit 7")
    waiting.child.type("\u{4}")
    await waiting.ends(with: 7)
  }

  @Test func afterAnEscape() async throws {
    let waiting = try await Waiting(try Sandbox(), "trap '' HUP TERM INT;")
    waiting.child.type("~?")
    #expect(await waiting.child.find("send one ~"))
    waiting.child.type("~.")
    await waiting.ends(with: 125, saying: "ended by ~.")
  }

  @Test func atTheDeadline() async throws {
    let waiting = try await Waiting(try Sandbox(), options: ["--timeout", "500ms"])
    await waiting.ends(with: 124, saying: "deadline")
  }

  @Test func afterASignalToTheCommand() async throws {
    let waiting = try await Waiting(try Sandbox())
    kill(try await waiting.client(), SIGTERM)
    await waiting.ends(with: 143)
  }

  @Test func afterAHangUp() async throws {
    let waiting = try await Waiting(try Sandbox(), "trap '' HUP TERM;")
    kill(try await waiting.client(), SIGHUP)
    await waiting.ends(with: 129, saying: "the terminal is gone")
  }

  @Test func afterTheClientWasKilled() async throws {
    let sandbox = try Sandbox()
    let (server, addresses) = try await sandbox.serve("--listen", "unix:\(sandbox.folder)/s")
    let waiting = try await Waiting(
      sandbox,
      "trap '' HUP TERM; echo pid $$ $(setsid sh -c 'echo $$; exec sleep 600 >/dev/null 2>&1 &') ;",
      options: ["--on", addresses[0], "--grace", "100ms"], wait: "while :; do sleep 600; done")
    let line = waiting.child.seenText.split(separator: "\r\n").first { $0.hasPrefix("pid ") }
    let pids = (line ?? "").split(separator: " ").compactMap { Int32($0) }
    #expect(pids.count == 2)
    kill(try await waiting.client(), SIGKILL)
    #expect(await waiting.child.find("status 137"))
    for pid in pids { #expect(try await isGone(pid, within: 30)) }
    // The process that restores the terminal may still be at it.
    for _ in 0..<500 where waiting.child.attributes != waiting.before {
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(waiting.child.attributes == waiting.before)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func afterTheServerWasLost() async throws {
    let sandbox = try Sandbox()
    let (server, addresses) = try await sandbox.serve("--listen", "unix:\(sandbox.folder)/s")
    let waiting = try await Waiting(sandbox, options: ["--on", addresses[0]])
    server.signal(SIGKILL)
    await waiting.ends(with: 125, saying: "telpher: ")
  }

  @Test func aSuspendedClientGivesTheTerminalBack() async throws {
    let sandbox = try Sandbox()
    let child = try TerminalChild(
      ["/bin/bash", "--norc", "--noprofile", "-i"],
      environment: sandbox.environment.merging(["PS1": "prompt> ", "TERM": "dumb"]) { $1 },
      directory: sandbox.folder)
    #expect(await child.find("prompt> "))
    child.type("\(Sandbox.program) run -t -- sh -c 'echo rea\"\"dy; stty size; cat'\r")
    #expect(await child.find("ready"))
    #expect(await child.find("24 80"))
    child.type("\r~\u{1A}")
    #expect(await child.find("Stopped"))
    #expect(await child.find("prompt> "))
    child.type("echo in the shell; fg\r")
    #expect(await child.find("\nin the shell"))
    child.type("back\r")
    // Once as the echo, once from `cat`.
    #expect(await child.find("back"))
    #expect(await child.find("back"))
    child.type("\u{4}")
    #expect(await child.find("prompt> "))
    child.type("exit\r")
    #expect(await child.finish().status == 0)
  }
}
