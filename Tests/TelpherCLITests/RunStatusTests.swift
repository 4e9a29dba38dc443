import Glibc
import Testing

struct RunStatusTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test(arguments: [0, 1, 7, 64, 125, 255])
  func theExitStatusIsTheCommands(_ code: Int32) async throws {
    let result = try await sandbox.telpher("run", "--", "sh", "-c", "exit \(code)")
    #expect(result.status == code)
    let line = code == 125 ? "telpher: 125 is the exit status of the command itself\n" : ""
    #expect(result.errorText == line)
  }

  @Test(arguments: [SIGTERM, SIGKILL, SIGUSR1, SIGPIPE])
  func aSignalIs128PlusItsNumber(_ signal: Int32) async throws {
    let result = try await sandbox.telpher("run", "--", "sh", "-c", "kill -\(signal) $$")
    #expect(result.status == 128 + signal)
  }

  @Test func aMissingCommandIs127() async throws {
    for command in ["no-such-command", "/no/such/command", "/etc/passwd/x"] {
      let result = try await sandbox.telpher("run", command)
      #expect(result.status == 127)
      #expect(result.errorText.hasPrefix("telpher: cannot run '\(command)'"))
      #expect(result.errorText.split(separator: "\n").count == 1)
    }
  }

  @Test func aCommandThatCanNotBeExecutedIs126() async throws {
    sandbox.write("data", to: sandbox.folder + "/data")
    for command in [sandbox.folder + "/data", "/etc"] {
      let result = try await sandbox.telpher("run", "--", command)
      #expect(result.status == 126)
      #expect(result.errorText.hasPrefix("telpher: cannot run"))
    }
  }

  @Test func aMissingWorkingDirectoryIs125() async throws {
    let result = try await sandbox.telpher("run", "--cwd", "/no/such", "--", "true")
    #expect(result.status == 125)
    #expect(result.errorText == "telpher: cannot enter '/no/such': No such file or directory\n")
  }

  @Test func aTimeoutIs124() async throws {
    let result = try await sandbox.telpher(
      "run", "--timeout", "100ms", "--", "sh", "-c", "echo x; sleep 60")
    #expect(result.status == 124)
    #expect(result.text == "x\n")
    #expect(result.errorText == "telpher: ended at its deadline of 100 ms\n")
  }

  @Test func sigkillFollowsAfterTheGrace() async throws {
    let result = try await sandbox.telpher(
      "run", "--json", "--timeout", "100ms", "--grace", "100ms", "--", "sh", "-c",
      "trap '' TERM; sleep 60; sleep 60")
    #expect(result.status == 124)
    #expect(result.text.contains(#""signal":9"#))
  }

  @Test(arguments: [
    ["run"], ["run", "--"], ["run", "--bogus", "true"], ["run", "--env", "A", "true"],
    ["run", "--timeout", "5 s", "true"], ["run", "--timeout"],
    ["run", "--on", "non:sense", "true"],
  ])
  func aUsageErrorIs125AndOneLine(_ arguments: [String]) async throws {
    let result = await (try sandbox.start(arguments)).finish()
    #expect(result.status == 125)
    #expect(result.output.isEmpty)
    #expect(result.errorText.hasPrefix("telpher: "))
    #expect(result.errorText.split(separator: "\n").count == 1)
  }

  @Test func withoutAServerTheStatusIs125() async throws {
    let result = try await sandbox.telpher("run", "--on", "unix:/no/such.sock", "--", "true")
    #expect(result.status == 125)
    #expect(
      result.errorText
        == "telpher: connect to unix:/no/such.sock: no such file or directory; start a server there with 'telpher serve --listen unix:/no/such.sock'\n"
    )
  }

  @Test func aLostConnectionIs125() async throws {
    // A server that accepts the connection and closes it without an answer.
    sandbox.addProgram("ssh", "#!/bin/sh\nexec true\n")
    let result = try await sandbox.telpher("run", "--on", "ssh://somewhere", "--", "true")
    #expect(result.status == 125)
    #expect(
      result.errorText
        == "telpher: ssh to somewhere ended before a server answered there (ssh's exit status was 0)\n"
    )
    let json = try await sandbox.telpher("run", "--json", "--on", "ssh://somewhere", "--", "true")
    #expect(json.status == 125)
    #expect(json.text.contains(#""result":"unreachable""#))
    #expect(json.text.contains(#""status_from":"telpher""#))
  }

  @Test func aTimeoutWithoutAUnitIsSeconds() async throws {
    let result = try await sandbox.telpher("run", "--timeout", "0.1", "--", "sleep", "60")
    #expect(result.status == 124)
    #expect(result.errorText == "telpher: ended at its deadline of 100 ms\n")
  }

  @Test func theStatusDescriptorGetsTheResultWithoutOutput() async throws {
    let line = "telpher run --status-fd 3 -- sh -c 'echo out; exit 125' 3>\"$HOME/status\"; echo $?"
    let result = try await sandbox.shell(line)
    #expect(result.text == "out\n125\n")
    let status = try await sandbox.shell("cat \"$HOME/status\"").text
    #expect(status.contains(#""result":"exited""#) && status.contains(#""code":125"#))
    #expect(status.contains(#""status":125,"status_from":"command""#))
    #expect(!status.contains("stdout") && status.hasSuffix("}\n"))
    let own = try await sandbox.shell("telpher run --status-fd 3 --cwd /no/such -- true 3>&1")
    #expect(own.status == 125)
    #expect(own.text.contains(#""result":"not_started""#))
    #expect(own.text.contains(#""status":125,"status_from":"telpher""#))
  }

  @Test func aStatusDescriptorThatCanNotBeWrittenIsRefusedBeforeTheRun() async throws {
    for descriptor in ["", "3</dev/null"] {
      let line = "telpher run --status-fd 3 -- touch \"$HOME/ran\" \(descriptor)"
      let result = try await sandbox.shell(line)
      #expect(result.status == 125)
      #expect(result.errorText.contains("descriptor 3 is not open for writing"))
    }
    #expect(mode(of: sandbox.folder + "/ran") == nil)
  }

  /// Standard output is closed early, as in `telpher info | head -1`.
  @Test func aClosedReaderOfStandardOutputCausesNoMessage() async throws {
    let (server, _) = try await sandbox.serve()
    let line = "{ telpher info; echo $? >\"$HOME/status\"; } 2>&1 | :; cat \"$HOME/status\""
    #expect(["0\n", "141\n"].contains(try await sandbox.shell(line).text))
    server.signal(SIGTERM)
    _ = await server.finish()
  }
}
