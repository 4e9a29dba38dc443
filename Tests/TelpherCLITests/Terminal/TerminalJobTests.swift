import Glibc
import Testing

/// Shells and other commands on a terminal that are durable jobs.
@Suite(.timeLimit(.minutes(10))) struct TerminalJobTests {
  private func start(_ arguments: String..., sandbox: Sandbox) throws -> TerminalChild {
    try TerminalChild(
      [Sandbox.program] + arguments,
      environment: sandbox.environment.merging(["PS1": "> ", "TERM": "dumb"]) { $1 },
      directory: sandbox.folder)
  }

  /// The id in the message of a client that has left its job.
  private func job(in text: String) throws -> String {
    let line = try #require(text.split(separator: "telpher attach ").dropFirst().first)
    let rest = try #require(line.split(separator: "\r\n").first?.split(separator: " ").last)
    return String(rest.prefix { $0.isHexDigit })
  }

  /// Runs the command that a client has printed to reconnect to its job, as a user who pastes it.
  private func pasted(_ text: String, _ sandbox: Sandbox) throws -> TerminalChild {
    let rest = try #require(text.split(separator: "to reconnect to it: ").last)
    let line = try #require(rest.split(separator: "\r\n").first)
    return try TerminalChild(
      ["/bin/sh", "-c", "PATH=${0%/*}:$PATH; \(line)", Sandbox.program],
      environment: sandbox.environment.merging(["TERM": "dumb"]) { $1 },
      directory: sandbox.folder)
  }

  @Test func theMessageAfterLeavingAShellHasACompleteCommand() async throws {
    try await Sandbox.withJobs { sandbox in
      let address = "unix:\(sandbox.folder)/the server's"
      let (server, _) = try await sandbox.serve("--listen", address)
      let shell = try start("shell", "--on", address, sandbox: sandbox)
      shell.type("X=kept; echo before$((1 + 1))\r")
      #expect(await shell.find("before2\r\n"))
      shell.type("~d")
      let left = await shell.finish()
      #expect(left.status == 0)
      let again = try pasted(left.text, sandbox)
      again.type("echo $X$((40 + 2)); exit 6\r")
      #expect(await again.find("kept42\r\n"))
      #expect(await again.finish().status == 6)
      server.signal(SIGTERM)
      #expect(await server.wait() == 0)
    }
  }

  private func address(_ sandbox: Sandbox) -> String { "unix:\(sandbox.folder)/server" }

  @Test func aShellThatIsLeftIsTakenUpAgainWithItsScreen() async throws {
    try await Sandbox.withJobs { sandbox in
      let shell = try start("shell", sandbox: sandbox)
      shell.type("X=kept; echo before$((1 + 1))\r")
      #expect(await shell.find("before2\r\n"))
      shell.type("~d")
      let left = await shell.finish()
      #expect(left.status == 0)
      let job = try job(in: left.text)
      #expect(try await sandbox.telpher("jobs").text.contains("running"))

      let again = try start("attach", String(job.prefix(8)), sandbox: sandbox)
      #expect(await again.find("before2\r\n"))
      again.resize(rows: 31, columns: 99)
      // The new size and the keys are sent independently of each other.
      again.type(
        "i=0; until [ \"$(stty size)\" = '31 99' ] || [ $i = 500 ]; do i=$((i + 1)); sleep 0.02; done\r"
      )
      again.type("echo $X$((40 + 2)); stty size; exit 4\r")
      #expect(await again.find("kept42\r\n"))
      #expect(await again.find("31 99\r\n"))
      #expect(await again.finish().status == 4)
      // Nothing of it is left.
      #expect(try await sandbox.telpher("jobs", "--all").text == "")
    }
  }

  @Test func aShellSurvivesItsServerAndSaysWhereItIs() async throws {
    try await Sandbox.withJobs { sandbox in
      let (server, _) = try await sandbox.serve("--listen", address(sandbox))
      let shell = try start("shell", "--on", address(sandbox), sandbox: sandbox)
      shell.type("X=kept; echo before$((1 + 1))\r")
      #expect(await shell.find("before2\r\n"))
      server.signal(SIGKILL)
      _ = await server.wait()
      let lost = await shell.finish()
      #expect(lost.status == 125 && lost.text.contains("may still run"))
      let (next, _) = try await sandbox.serve("--listen", address(sandbox))
      let again = try pasted(lost.text, sandbox)
      again.type("echo $X$((40 + 2)); exit 5\r")
      #expect(await again.find("kept42\r\n"))
      #expect(await again.finish().status == 5)
      next.signal(SIGTERM)
      #expect(await next.wait() == 0)
    }
  }

  @Test func withReconnectAShellIsTakenUpByItself() async throws {
    try await Sandbox.withJobs { sandbox in
      let (first, _) = try await sandbox.serve("--listen", address(sandbox))
      let shell = try start("shell", "--reconnect=60s", "--on", address(sandbox), sandbox: sandbox)
      shell.type("X=kept; echo before$((1 + 1))\r")
      #expect(await shell.find("before2\r\n"))
      first.signal(SIGKILL)
      _ = await first.wait()
      #expect(await shell.find("trying to reconnect to the job"))
      // What is typed meanwhile arrives.
      shell.type("echo $X$((40 + 2)); exit 6\r")
      let (second, _) = try await sandbox.serve("--listen", address(sandbox))
      #expect(await shell.find("kept42\r\n"))
      #expect(await shell.finish().status == 6)
      second.signal(SIGTERM)
      #expect(await second.wait() == 0)
    }
  }

  /// A program that uses the whole screen then draws it again, over the messages of telpher.
  @Test func aProgramThatIsTakenUpAgainGetsASignalToDrawItsScreen() async throws {
    try await Sandbox.withJobs { sandbox in
      let (first, _) = try await sandbox.serve("--listen", address(sandbox))
      let run = try start(
        "run", "-it", "--reconnect=60s", "--on", address(sandbox), "--", "sh", "-c",
        """
        trap 'echo drawn$((1 + 1)); exit 5' WINCH; echo ready$((1 + 1))
        i=0; while [ $i -lt 600 ]; do sleep 0.1; i=$((i + 1)); done
        """,
        sandbox: sandbox)
      #expect(await run.find("ready2\r\n"))
      first.signal(SIGKILL)
      _ = await first.wait()
      #expect(await run.find("trying to"))
      let (second, _) = try await sandbox.serve("--listen", address(sandbox))
      #expect(await run.find("drawn2\r\n"))
      #expect(await run.finish().status == 5)
      second.signal(SIGTERM)
      #expect(await second.wait() == 0)
    }
  }

  @Test func aMessageOnARawTerminalReturnsToTheFirstColumn() async throws {
    let sandbox = try Sandbox()
    let terminal = try TerminalChild(
      ["/bin/sh", "-c", "stty raw -echo; '\(Sandbox.program)' ping; echo end"],
      environment: sandbox.environment, directory: sandbox.folder)
    let text = await terminal.finish().text
    let lines = text.split(separator: "telpher: ", omittingEmptySubsequences: false)
    #expect(lines.count == 2 && lines[1].hasSuffix("\r\nend\n"), "\(text)")
  }

  @Test func aCommandOnATerminalCanBeAJobToo() async throws {
    try await Sandbox.withJobs { sandbox in
      let run = try start(
        "run", "-it", "--reconnect", "--name", "two", "--", "sh", "-c",
        "read a; echo $a; read b; exit $b",
        sandbox: sandbox)
      run.type("one\r")
      #expect(await run.find("one\r\none\r\n"))
      run.type("~d")
      #expect(await run.finish().status == 0)
      let again = try start("attach", "two", sandbox: sandbox)
      #expect(await again.find("one\r\n"))
      again.type("8\r")
      #expect(await again.finish().status == 8)
    }
  }

  @Test func anyCommandOnATerminalCanBeLeft() async throws {
    try await Sandbox.withJobs { sandbox in
      let run = try start(
        "run", "-t", "--", "sh", "-c", "read a; echo got-$a; read b; exit $b", sandbox: sandbox)
      run.type("one\r")
      #expect(await run.find("got-one\r\n"))
      run.type("~?")
      #expect(await run.find("~d   end telpher and leave the command running"))
      run.type("\r~d")
      let left = await run.finish()
      #expect(left.status == 0)
      let job = try job(in: left.text)
      #expect(try await sandbox.telpher("jobs").text.contains("running"))
      let again = try start("attach", job, sandbox: sandbox)
      #expect(await again.find("got-one\r\n"))
      again.type("8\r")
      #expect(await again.finish().status == 8)
    }
  }

  /// Waits until the only job has ended, and checks that nothing is left of it.
  private func endsWithoutATrace(_ job: String, _ sandbox: Sandbox) async throws {
    _ = try await sandbox.telpher("wait", job)
    #expect(try await sandbox.telpher("jobs", "--all").text == "")
  }

  @Test(arguments: [SIGKILL, SIGHUP])
  func aCommandOnATerminalThatIsNotLeftEndsWithItsClient(_ signal: Int32) async throws {
    try await Sandbox.withJobs { sandbox in
      let run = try start(
        "run", "-t", "--name", "tied", "--grace", "100ms", "--", "sh", "-c",
        "trap '' HUP TERM; echo rea''dy; while :; do sleep 600; done", sandbox: sandbox)
      #expect(await run.find("ready"))
      kill(run.pid, signal)
      #expect(await run.finish().status == 128 + signal)
      try await endsWithoutATrace("tied", sandbox)
    }
  }

  @Test func aCommandOnATerminalThatIsNotLeftEndsWithItsServer() async throws {
    try await Sandbox.withJobs { sandbox in
      let (server, _) = try await sandbox.serve("--listen", address(sandbox))
      let run = try start(
        "run", "-t", "--name", "tied", "--on", address(sandbox), "--", "sh", "-c",
        "echo rea''dy; exec sleep 600", sandbox: sandbox)
      #expect(await run.find("ready"))
      server.signal(SIGKILL)
      _ = await server.wait()
      #expect(await run.finish().status == 125)
      try await endsWithoutATrace("tied", sandbox)
    }
  }

  @Test func nothingIsLeftOfACommandThatEndsOrIsEnded() async throws {
    try await Sandbox.withJobs { sandbox in
      let run = try start("run", "-t", "--", "sh", "-c", "exit 6", sandbox: sandbox)
      #expect(await run.finish().status == 6)
      #expect(try await sandbox.telpher("jobs", "--all").text == "")
      let ended = try start(
        "run", "-t", "--name", "tied", "--", "sh", "-c", "echo rea''dy; exec sleep 600",
        sandbox: sandbox)
      #expect(await ended.find("ready"))
      ended.type("~.")
      let (text, status) = await ended.finish()
      #expect(status == 125 && text.contains("ended by ~.; the server ends the command"))
      try await endsWithoutATrace("tied", sandbox)
    }
  }

  @Test func theEscapeEndsTheShellAndItsJob() async throws {
    try await Sandbox.withJobs { sandbox in
      let shell = try start("shell", sandbox: sandbox)
      shell.type("echo before$((1 + 1))\r")
      #expect(await shell.find("before2\r\n"))
      shell.type("~?")
      #expect(await shell.find("~d   end telpher and leave the command running"))
      shell.type("\r~.")
      #expect(await shell.finish().status == 125)
      #expect(try await sandbox.telpher("jobs", "--all").text == "")
    }
  }

  /// The server can't start a process for jobs: the shell is a plain command then.
  @Test func aServerWithoutJobsGivesAPlainShell() async throws {
    let sandbox = try Sandbox()
    let (server, _) = try await sandbox.serve("--jobs", "/dev/null/jobs")
    let shell = try start("shell", sandbox: sandbox)
    shell.type("tty; exit 7\r")
    #expect(await shell.find("/dev/pts/"))
    #expect(await shell.finish().status == 7)
    let forced = try start("shell", "--reconnect", sandbox: sandbox)
    let refused = await forced.finish()
    #expect(refused.status == 125 && refused.text.contains("jobs"))
    server.signal(SIGTERM)
    #expect(await server.wait() == 0)
  }

  @Test func jobsThatRunAreListedAndEndedByTheirIds() async throws {
    try await Sandbox.withJobs { sandbox in
      let (server, _) = try await sandbox.serve()
      let job = try await sandbox.startJob("--name", "long", "--", "sleep", "600")
      let list = try await sandbox.telpher("ps").text
      let line = try #require(list.split(separator: "\n").first { $0.contains(job) })
      #expect(line.contains("job 'long'") && line.contains("sleep 600"))
      #expect(try await sandbox.telpher("kill", job).status == 0)
      #expect(try await sandbox.telpher("wait", job).status != 0)
      #expect(try await sandbox.telpher("ps").text.contains(job) == false)
      server.signal(SIGTERM)
      #expect(await server.wait() == 0)
    }
  }
}
