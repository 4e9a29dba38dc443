import Glibc
import TelpherTestSupport
import Testing

/// Commands that share a kept connection to another machine, through a fake ssh.
@Suite(.timeLimit(.minutes(5))) struct KeptConnectionTests {
  private let on = ["--on", "ssh://host"]

  @Test func laterCommandsUseTheConnectionOfTheFirst() async throws {
    try await Sandbox.withSSH { sandbox in
      let commands: [([String], Int32)] = [
        (["--", "sh", "-c", "exit 7"], 7), (["--", "true"], 0),
        (["--", "sh", "-c", "kill -TERM $$"], 143), (["--", "/nowhere/x"], 127),
        (["--timeout", "50ms", "--", "sleep", "600"], 124), (["--", "sh", "-c", "exit 125"], 125),
      ]
      for (words, status) in commands {
        #expect(await (try sandbox.start(["run"] + on + words)).finish().status == status)
      }
      let result = try await sandbox.telpher(
        "run", "--on", "ssh://host", "--", "sh", "-c", "echo out; echo err >&2")
      #expect(result.text == "out\n")
      #expect(result.errorText == "err\n")
      #expect(try await sandbox.telpher("ping", "--on", "ssh://host").status == 0)
      #expect(try await sandbox.telpher("info", "--on", "ssh://host").text.contains("running: 0"))
      #expect(try await sandbox.logins == 1)
    }
  }

  @Test func withoutKeepingEachCommandConnects() async throws {
    try await Sandbox.withSSH(keep: "0") { sandbox in
      for options in [[], [], ["--keep", "600"], ["--keep", "600"]] {
        let child = try sandbox.start(["run"] + on + options + ["--", "true"])
        #expect(await child.finish().status == 0)
      }
      #expect(try await sandbox.logins == 3)
    }
  }

  @Test func aWrongTimeIsAnError() async throws {
    try await Sandbox.withSSH(keep: "soon") { sandbox in
      let result = try await sandbox.telpher("run", "--on", "ssh://host", "--", "true")
      #expect(result.status == 125)
      #expect(result.errorText.contains("TELPHER_KEEP"))
    }
  }

  // MARK: Bytes

  @Test func outputArrivesComplete() async throws {
    try await Sandbox.withSSH { sandbox in
      let result = try await sandbox.shell(
        "telpher run --on ssh://host -- seq 1 8000000 | cksum; seq 1 8000000 | cksum")
      let lines = result.text.split(separator: "\n")
      #expect(lines.count == 2 && lines.first == lines.last)
      #expect(result.errorText.isEmpty)
    }
  }

  @Test func inputArrivesComplete() async throws {
    try await Sandbox.withSSH { sandbox in
      let result = try await sandbox.shell(
        """
        cd "$HOME"; head -c 20000000 /dev/urandom >random
        telpher run --on ssh://host -i -- cat <random | cmp - random && echo same
        """)
      #expect(result.text == "same\n")
    }
  }

  @Test func filesAreCopiedBothWays() async throws {
    try await Sandbox.withSSH { sandbox in
      let result = try await sandbox.shell(
        """
        cd "$HOME"; mkdir -p tree/a/b; head -c 3000000 /dev/urandom >tree/a/large
        for i in 1 2 3 4 5 6 7 8 9; do echo $i >tree/a/b/$i; done; ln -s large tree/a/link
        export TELPHER_ON=ssh://host
        telpher mkdir there && telpher put -r tree there &&
        telpher get -r there/tree back && diff -r tree back && echo same
        """)
      #expect(result.text == "same\n")
      #expect(try await sandbox.logins == 1)
    }
  }

  @Test func aReaderThatStopsDoesNotDelayOtherCommands() async throws {
    try await Sandbox.withSSH { sandbox in
      let stalled = try sandbox.start(["run"] + on + ["--", "cat", "/dev/zero"])
      // Its pipe is full, and so are all windows on the way.
      for _ in 1...3 {
        let other = try await sandbox.telpher(
          "run", "--on", "ssh://host", "--", "head", "-c", "3000000", "/dev/zero")
        #expect(other.output.count == 3_000_000)
      }
      stalled.signal(SIGKILL)
      #expect(try await sandbox.logins == 1)
    }
  }

  /// A command that does not read its input, through the kept connection.
  private func startIdle(_ sandbox: Sandbox) throws -> Child {
    try Child(
      [
        "/bin/sh", "-c", "exec \(Sandbox.program) run --on ssh://host -i -- sleep 600 </dev/zero",
      ], environment: sandbox.environment)
  }

  /// Together they leave more unread than the connection's first window of 4 MiB.
  @Test func commandsThatDoNotReadStopNoOthers() async throws {
    try await Sandbox.withSSH { sandbox in
      let children = try (1...20).map { _ in try startIdle(sandbox) }
      for _ in 1...5 {
        let result = try await sandbox.shell(
          "head -c 3000000 /dev/zero | telpher run --on ssh://host -i -- wc -c")
        #expect(result.text == "3000000\n")
      }
      #expect(try await sandbox.logins == 1)
      children.forEach { $0.signal(SIGKILL) }
    }
  }

  /// A relay takes 64 clients.
  @Test func commandsThatTheRelayRefusesConnectByThemselves() async throws {
    try await Sandbox.withSSH { sandbox in
      let children = try (1...64).map { _ in try startIdle(sandbox) }
      // A bound, in case the relay never refuses a client.
      for _ in 1...500 {
        #expect(try await sandbox.telpher("run", "--on", "ssh://host", "--", "true").status == 0)
        if try await sandbox.logins > 1 { break }
      }
      #expect(try await sandbox.logins > 1)
      let list = try await sandbox.telpher("connections")
      #expect(list.text.hasPrefix("ssh://host  open for ") && list.errorText.isEmpty)
      children.forEach { $0.signal(SIGKILL) }
    }
  }

  // MARK: Signals and ends

  @Test func signalsReachTheCommand() async throws {
    try await Sandbox.withSSH { sandbox in
      let child = try sandbox.start(
        ["run"] + on + [
          "--", "sh", "-c",
          "trap 'echo usr' USR1; trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done",
        ])
      #expect(await child.line() == "ready")
      child.signal(SIGUSR1)
      #expect(await child.line() == "usr")
      child.signal(SIGTERM)
      #expect(await child.finish().status == 5)
    }
  }

  @Test(arguments: [true, false])
  func theCommandsOfAClientThatEndsAreEnded(_ isKilled: Bool) async throws {
    try await Sandbox.withSSH { sandbox in
      let child = try sandbox.start(
        ["run"] + on + [
          "--grace", "10ms", "--", "sh", "-c", "trap '' INT; echo $$; while :; do sleep 0.01; done",
        ])
      let command = try #require(await child.line().flatMap { Int32($0) })
      if isKilled {
        child.signal(SIGKILL)
      } else {
        // Two different signals: two equal ones within a short time are one.
        child.signal(SIGINT)
        child.signal(SIGTERM)
      }
      _ = await child.finish()
      #expect(try await isGone(command, within: 60))
      #expect(try await sandbox.telpher("run", "--on", "ssh://host", "--", "true").status == 0)
      #expect(try await sandbox.logins == 1)
    }
  }

  @Test func aStoppedClientContinues() async throws {
    try await Sandbox.withSSH { sandbox in
      let child = try sandbox.start(["run"] + on + ["-i", "--", "cat"], input: .pipe)
      await child.write("1\n")
      #expect(await child.line() == "1")
      child.signal(SIGSTOP)
      #expect(try await sandbox.telpher("run", "--on", "ssh://host", "--", "true").status == 0)
      child.signal(SIGCONT)
      await child.write("2\n")
      #expect(await child.line() == "2")
      child.closeInput()
      #expect(await child.finish().status == 0)
    }
  }

  @Test func commandsOfAKilledRelayAreLostAndTheNextConnectsAgain() async throws {
    try await Sandbox.withSSH { sandbox in
      let child = try sandbox.start(
        ["run"] + on + ["--", "sh", "-c", "echo $$; exec sleep 600"])
      let command = try #require(await child.line().flatMap { Int32($0) })
      let relay = try await sandbox.onlyRelay()
      kill(relay, SIGKILL)
      let result = await child.finish()
      #expect(result.status == 125)
      #expect(result.errorText.contains("unanswered"))
      #expect(try await isGone(command, within: 60))
      #expect(try await sandbox.telpher("run", "--on", "ssh://host", "--", "true").status == 0)
      #expect(try await sandbox.logins == 2)
    }
  }

  @Test func afterALostServerTheNextCommandConnectsAgain() async throws {
    try await Sandbox.withSSH { sandbox in
      let child = try sandbox.start(
        ["run"] + on + ["--", "sh", "-c", "echo $PPID; exec sleep 600"])
      let server = try #require(await child.line().flatMap { Int32($0) })
      kill(server, SIGKILL)
      #expect(await child.finish().status == 125)
      #expect(try await sandbox.telpher("run", "--on", "ssh://host", "--", "true").status == 0)
      #expect(try await sandbox.logins == 2)
    }
  }

  // MARK: Starting and ending

  @Test func clientsThatStartAtOnceUseOneConnection() async throws {
    try await Sandbox.withSSH { sandbox in
      sandbox.addSSH("sleep 0.3")
      let children = try (1...6).map {
        try sandbox.start(["run"] + on + ["--", "sh", "-c", "exit \($0)"])
      }
      for (index, child) in children.enumerated() {
        #expect(await child.finish().status == Int32(index + 1))
      }
      #expect(try await sandbox.logins == 1)
    }
  }

  // MARK: A silent server

  @Test func connectTimeoutLimitsAServerThatDoesNotAnswerAnyMore() async throws {
    try await Sandbox.withSSH { sandbox in
      let child = try sandbox.start(
        ["run"] + on + ["-i", "--", "sh", "-c", "echo $PPID; cat"], input: .pipe)
      let server = try #require(await child.line().flatMap { Int32($0) })
      try await suspend(server)
      let result = try await sandbox.telpher(
        "run", "--connect-timeout", "300ms", "--status-fd", "2", "--on", "ssh://host", "--", "true")
      #expect(result.status == 125)
      #expect(result.errorText.contains("the server has not answered within 300 ms"))
      #expect(result.errorText.contains(#""result":"lost""#))
      // The command that waited for the other side goes on when that does.
      kill(server, SIGCONT)
      await child.write("x\n")
      #expect(await child.line() == "x")
      child.closeInput()
      #expect(await child.finish().status == 0)
      #expect(
        try await sandbox.telpher(
          "run", "--connect-timeout", "60s", "--on", "ssh://host", "--", "true"
        ).status == 0)
      #expect(try await sandbox.logins == 1)
    }
  }

  // MARK: What the background process has

  @Test func theRelayInheritsNoTerminalDescriptorOrEnvironment() async throws {
    try await Sandbox.withSSH { sandbox in
      let child = try TerminalChild(
        [
          "/bin/sh", "-c",
          "SECRET=x exec 7</etc/hostname; SECRET=x \(Sandbox.program) run --on ssh://host -- echo hello",
        ], environment: sandbox.environment, directory: sandbox.folder)
      #expect(await child.find("hello"))
      #expect(await child.finish().status == 0)
      let relay = try await sandbox.onlyRelay()
      let seen = try await sandbox.shell(
        """
        tr '\\0' '\\n' </proc/\(relay)/environ
        for i in /proc/\(relay)/fd/*; do readlink $i; done
        readlink /proc/\(relay)/cwd; sed 's/.*) //' /proc/\(relay)/stat | cut -d' ' -f5
        """)
      let lines = seen.text.split(separator: "\n").map(String.init)
      #expect(
        !seen.text.contains("SECRET") && !seen.text.contains("PATH=")
          && !seen.text.contains("HOME="))
      #expect(!seen.text.contains("/dev/pts") && !seen.text.contains("hostname"))
      // The folder, and the number of the terminal, which is 0 if there is none.
      #expect(lines.suffix(2) == ["/", "0"])
      #expect(mode(of: sandbox.folder + "/run/telpher-relays") == 0o700)
    }
  }

  @Test func aTCPConnectionIsKeptToo() async throws {
    try await Sandbox.with(keep: "600") { sandbox in
      let (server, addresses) = try await sandbox.serve("--listen", "tcp:127.0.0.1:0")
      let address = try #require(addresses.first)
      for status: Int32 in [0, 4] {
        let result = try await sandbox.telpher(
          "run", "--on", address, "--", "sh", "-c", "exit \(status)")
        #expect(result.status == status, "\(result.errorText)")
      }
      #expect(try await sandbox.telpher("connections").text.hasPrefix("\(address)  open for "))
      server.signal(SIGTERM)
      let end = await server.finish()
      #expect(end.status == 0, "\(end.status): \(end.errorText)")
      let result = try await sandbox.telpher("run", "--on", address, "--", "true")
      #expect(result.status == 125)
      #expect(result.errorText.contains("start a server there with"))
    }
  }
}
