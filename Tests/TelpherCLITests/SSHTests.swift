import Glibc
import TelpherTestSupport
import Testing

/// Connections through a fake ssh that starts the server on this machine, made for one command and
/// kept for others.
struct SSHTests {
  /// Runs `body` without and with a kept connection.
  static let keeps = ["0", "600"]

  private func terminal(_ sandbox: Sandbox, _ arguments: [String]) throws -> TerminalChild {
    try TerminalChild(
      [Sandbox.program, "run", "--on", "ssh://host", "--"] + arguments,
      environment: sandbox.environment, directory: sandbox.folder)
  }

  /// ssh runs in its own process group, so Ctrl-C reaches the command only through the protocol.
  @Test(arguments: keeps)
  func controlCReachesTheCommandAndDoesNotCutTheConnection(_ keep: String) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      sandbox.addSSH()
      let child = try terminal(
        sandbox,
        ["sh", "-c", "trap 'echo got; exit 9' INT; echo ready; while :; do sleep 0.01; done"])
      #expect(await child.find("ready"))
      child.type("\u{3}")
      #expect(await child.find("got"))
      #expect(await child.finish().status == 9)
    }
  }

  @Test(arguments: keeps)
  func connectTimeoutHoldsIfSSHConnectsAndThenHangs(_ keep: String) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      sandbox.addProgram("ssh", "#!/bin/sh\nexec sleep 6000\n")
      let result = try await sandbox.telpher(
        "run", "--connect-timeout", "300ms", "--on", "ssh://host", "--", "true")
      #expect(result.status == 125)
      #expect(result.errorText.contains("no answer within 300 ms"))
    }
  }

  /// It takes these 10 s.
  @Test(.enabled(if: Scale.isFull), arguments: keeps)
  func withoutATerminalSSHHasTenSecondsByDefault(_ keep: String) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      sandbox.addProgram("ssh", "#!/bin/sh\nexec sleep 6000\n")
      let result = try await sandbox.telpher("run", "--on", "ssh://host", "--", "true")
      #expect(result.status == 125)
      #expect(result.errorText.contains("no answer within 10000 ms, and there is no terminal"))
    }
  }

  @Test(arguments: keeps)
  func sshMayAskForAPasswordOnTheTerminal(_ keep: String) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      sandbox.addSSH(
        "printf 'password: ' >/dev/tty; read word </dev/tty; [ \"$word\" = secret ] || exit 255")
      let child = try terminal(
        sandbox, ["sh", "-c", "trap 'exit 7' INT; echo in; while :; do sleep 0.01; done"])
      #expect(await child.find("password: "))
      child.type("secret\n")
      #expect(await child.find("in"))
      // The client has the terminal back.
      child.type("\u{3}")
      #expect(await child.finish().status == 7)
    }
  }

  @Test(arguments: keeps)
  func whatSSHPrintsIsShown(_ keep: String) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      sandbox.addSSH("echo 'Warning: added the key' >&2")
      let result = try await sandbox.telpher("run", "--on", "ssh://host", "--", "echo", "x")
      #expect(result.errorText == "Warning: added the key\n")
      #expect(result.text == "x\n")
    }
  }

  @Test(
    arguments: keeps,
    [
      (255, "ssh could not connect to me@host or log in there (ssh's exit status was 255)"),
      (
        127,
        "there is no telpher on me@host (ssh's exit status was 127): put the program into a folder"
      ),
      (126, "the telpher on me@host can't be executed (ssh's exit status was 126)"),
      (3, "ssh to me@host ended before a server answered there (ssh's exit status was 3)"),
    ])
  func whySSHBroughtNoServerIsReported(_ keep: String, _ failure: (Int32, String)) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      sandbox.addProgram("ssh", "#!/bin/sh\nexit \(failure.0)\n")
      for command in [["run"], ["info"], ["ls"]] {
        let arguments =
          command + ["--on", "ssh://me@host"] + (command == ["run"] ? ["--", "true"] : [])
        let result = await (try sandbox.start(arguments)).finish()
        #expect(result.status == 125)
        #expect(result.errorText.hasPrefix("telpher: \(failure.1)"))
        #expect(result.errorText.split(separator: "\n").count == 1)
      }
    }
  }

  @Test(arguments: keeps)
  func outputOfTheRemoteShellIsReported(_ keep: String) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      sandbox.addProgram("ssh", "#!/bin/sh\necho 'Welcome to host'; sleep 0.1\n")
      let result = try await sandbox.telpher("run", "--on", "ssh://host", "--", "true")
      #expect(result.status == 125)
      #expect(result.errorText.contains("'ssh host true' must print nothing"))
    }
  }

  @Test(arguments: keeps)
  func theStatusOfSSHIsReportedWithALostCommand(_ keep: String) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      // The server is killed after the command's first line; ssh then exits with 255, as after a
      // lost connection.
      sandbox.addSSH(last: "echo 'client_loop: broken' >&2; exit 255")
      let child = try sandbox.start([
        "run", "--on", "ssh://host", "--", "sh", "-c", "echo $PPID; exec sleep 600",
      ])
      let server = try #require(await child.line().flatMap { Int32($0) })
      kill(server, SIGKILL)
      let result = await child.finish()
      #expect(result.status == 125)
      #expect(result.errorText.contains("ssh's exit status was 255"))
      #expect(result.errorText.contains("client_loop: broken"))
    }
  }
}
