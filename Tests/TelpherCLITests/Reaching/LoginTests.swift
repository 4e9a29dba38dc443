import Glibc
import Testing

/// Signals and stops while a carrier asks for a password, in a shell with job control.
@Suite(.timeLimit(.minutes(5))) struct LoginTests {
  /// With a connection for one command, and with one that is kept for others.
  static let keeps = ["0", "600"]

  /// Signals, and how a shell reports them.
  static let signals: [(number: Int32, status: Int32)] = [
    (SIGTERM, 143), (SIGHUP, 129), (SIGINT, 130),
  ]

  /// A shell on a terminal, in which `telpher` is the program and ssh asks for a password.
  private func withShell(
    keep: String, _ body: (TerminalChild, Sandbox) async throws -> Void
  ) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      sandbox.addSSH(
        """
        echo $$ >~/new; mv ~/new ~/ssh; printf 'password: ' >/dev/tty
        read word </dev/tty || exit 255; [ "$word" = secret ] || exit 255
        """)
      symlink(Sandbox.program, sandbox.folder + "/bin/telpher")
      let shell = try TerminalChild(
        ["/bin/sh", "-i"], environment: sandbox.environment.merging(["PS1": "> "]) { $1 },
        directory: sandbox.folder)
      #expect(await shell.find("> "))
      try await body(shell, sandbox)
      shell.type("exit\n")
      _ = await shell.finish()
    }
  }

  @Test(arguments: keeps)
  func controlZStopsTheJobAndTheShellContinuesIt(_ keep: String) async throws {
    try await withShell(keep: keep) { shell, _ in
      shell.type("telpher on host -- echo in''side\n")
      #expect(await shell.find("password: "))
      shell.type("\u{1a}")
      #expect(await shell.find("Stopped"))
      shell.type("echo sh''ell\n")
      #expect(await shell.find("shell\r\n"))
      shell.type("fg\n")
      // The shell reads nothing more after it has printed the command.
      #expect(await shell.find("telpher on host"))
      shell.type("secret\n")
      #expect(await shell.find("inside"))
    }
  }

  @Test(arguments: keeps)
  func aPromptInTheBackgroundWaitsForTheTerminal(_ keep: String) async throws {
    try await withShell(keep: keep) { shell, _ in
      shell.type("telpher on host -- echo in''side &\n")
      #expect(await shell.find("password: "))
      // The shell reports that a job was stopped, and `wait` then returns.
      shell.type("wait; jobs\n")
      #expect(await shell.find("Stopped"))
      shell.type("fg\n")
      #expect(await shell.find("telpher on host"))
      shell.type("secret\n")
      #expect(await shell.find("inside"))
    }
  }

  @Test(arguments: keeps)
  func controlCEndsTheJobWithStatus130(_ keep: String) async throws {
    try await withShell(keep: keep) { shell, sandbox in
      shell.type("telpher run --status-fd 3 --on ssh://host -- true 3>report; echo status=$?\n")
      #expect(await shell.find("password: "))
      let ssh = try #require(
        try await sandbox.text(of: sandbox.folder + "/ssh").flatMap { Int32($0.dropLast()) })
      shell.type("\u{3}")
      // dash ends the whole line, as a shell does whose child was interrupted.
      #expect(await shell.find("ended by signal 2 before a server answered; nothing was run"))
      shell.type("echo status=$?\n")
      #expect(await shell.find("status=130"))
      #expect(!isRunning(ssh))
      let report = try #require(try await sandbox.text(of: sandbox.folder + "/report"))
      #expect(report.contains(#""result":"interrupted""#))
    }
  }

  @Test(arguments: keeps, signals)
  func aSignalToTheClientEndsTheCarrier(
    _ keep: String, _ signal: (number: Int32, status: Int32)
  ) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      // It reads nothing, so it would not notice the end of its input.
      sandbox.addSSH("echo $$ >~/new; mv ~/new ~/ssh; exec sleep 600")
      let child = try sandbox.start([
        "run", "--connect-timeout", "600s", "--on", "ssh://host", "--", "true",
      ])
      let ssh = try await sandbox.carrier("ssh")
      child.signal(signal.number)
      let result = await child.finish()
      #expect(result.status == signal.status)
      #expect(
        result.errorText.contains("ended by signal \(signal.number) before a server answered"))
      #expect(!isRunning(ssh))
    }
  }

  /// The carrier ignores the signals that ask it to end.
  @Test(arguments: keeps)
  func aCarrierThatIgnoresSignalsEndsWithTheClient(_ keep: String) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      sandbox.addSSH("trap '' TERM HUP INT; echo $$ >~/new; mv ~/new ~/ssh; sleep 600; sleep 600")
      let child = try sandbox.start([
        "run", "--connect-timeout", "600s", "--on", "ssh://host", "--", "true",
      ])
      let ssh = try await sandbox.carrier("ssh")
      child.signal(SIGTERM)
      #expect(await child.finish().status == 143)
      #expect(try await isGone(ssh))
    }
  }

  /// The background process notices the end of the client that has started it.
  @Test func aCarrierThatIsToBeKeptEndsWithAKilledClient() async throws {
    try await Sandbox.with(keep: "600") { sandbox in
      sandbox.addSSH("echo $$ >~/new; mv ~/new ~/ssh; exec sleep 600")
      let child = try sandbox.start([
        "run", "--connect-timeout", "600s", "--on", "ssh://host", "--", "true",
      ])
      let ssh = try await sandbox.carrier("ssh")
      child.signal(SIGKILL)
      #expect(await child.finish().status == 137)
      #expect(try await isGone(ssh, within: 60))
    }
  }

  /// A script without job control would be stopped at its next read, if the carrier's group were
  /// still in the foreground.
  @Test(arguments: keeps)
  func theTerminalIsReturnedAfterASignal(_ keep: String) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      sandbox.addSSH("printf 'password: ' >/dev/tty; read word </dev/tty")
      let script = """
        sh -c 'echo $$ >~/client; exec \(Sandbox.program) run --on ssh://host -- true'
        echo status=$?; read word; echo "got $word"
        """
      let child = try TerminalChild(
        ["/bin/sh", "-c", script], environment: sandbox.environment, directory: sandbox.folder)
      #expect(await child.find("password: "))
      let client = try await sandbox.carrier("client")
      kill(client, SIGTERM)
      #expect(await child.find("status=143"))
      child.type("hello\n")
      #expect(await child.find("got hello"))
      #expect(await child.finish().status == 0)
    }
  }

  @Test(arguments: keeps)
  func uninstallAndABastionEndTheirCarriersToo(_ keep: String) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      sandbox.addSSH("echo $$ >~/new; mv ~/new ~/ssh; exec sleep 600")
      for arguments in [
        ["uninstall", "ssh://host"],
        ["serve", "--relay", "ssh://host", "--listen", "unix:\(sandbox.folder)/run/gate"],
      ] {
        unlink(sandbox.folder + "/ssh")
        let child = try sandbox.start(arguments)
        let ssh = try await sandbox.carrier("ssh")
        child.signal(SIGTERM)
        #expect(await child.finish().status == 143)
        #expect(!isRunning(ssh))
      }
    }
  }

  /// Variables are bytes, and so are the paths in them.
  @Test(arguments: keeps)
  func theCarrierGetsVariablesThatAreNotUTF8(_ keep: String) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      sandbox.addSSH("printf %s \"$ODD\" | od -An -tx1 >~/odd")
      let result = try await sandbox.shell(
        "ODD=$(printf 'a\\377\\001b') telpher run --on ssh://host -- echo ok; cat ~/odd")
      #expect(result.text == "ok\n 61 ff 01 62\n")
      #expect(result.errorText.isEmpty)
    }
  }
}

extension Sandbox {
  /// The process id that a carrier writes into the file `name` of the home folder.
  fileprivate func carrier(_ name: String) async throws -> Int32 {
    // At most five minutes, in case the carrier was not started.
    for _ in 0..<60_000 {
      if let file = fopen(folder + "/" + name, "re") {
        defer { fclose(file) }
        var pid: Int32 = 0
        if withUnsafeMutablePointer(to: &pid, { withVaList([$0]) { vfscanf(file, "%d", $0) } }) == 1
        {
          return pid
        }
      }
      try await Task.sleep(for: .milliseconds(5))
    }
    throw Failed("the carrier was not started")
  }
}
