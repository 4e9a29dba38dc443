import Glibc
import Testing

struct RunStatusTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test(arguments: [0, 1, 7, 64, 125, 255])
  func theExitCodeIsTheCommands(_ code: Int32) async throws {
    let result = try await sandbox.telpher("run", "--", "sh", "-c", "exit \(code)")
    #expect(result.status == code)
    #expect(result.errorText.isEmpty)
  }

  @Test(arguments: [SIGTERM, SIGKILL, SIGUSR1, SIGPIPE])
  func aSignalIs128More(_ signal: Int32) async throws {
    let result = try await sandbox.telpher("run", "--", "sh", "-c", "kill -\(signal) $$")
    #expect(result.status == 128 + signal)
  }

  @Test func aCommandThatIsNotThereIs127() async throws {
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

  @Test func aFolderThatIsNotThereIs125() async throws {
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

  @Test func theGraceEndsWithSIGKILL() async throws {
    let result = try await sandbox.telpher(
      "run", "--json", "--timeout", "100ms", "--grace", "100ms", "--", "sh", "-c",
      "trap '' TERM; sleep 60; sleep 60")
    #expect(result.status == 124)
    #expect(result.text.contains(#""signal":9"#))
  }

  @Test(arguments: [
    ["run"], ["run", "--"], ["run", "--bogus", "true"], ["run", "--env", "A", "true"],
    ["run", "--timeout", "5", "true"], ["run", "--timeout"], ["run", "--on", "nonsense", "true"],
  ])
  func aUsageErrorIs125AndOneLine(_ arguments: [String]) async throws {
    let result = await (try sandbox.start(arguments)).finish()
    #expect(result.status == 125)
    #expect(result.output.isEmpty)
    #expect(result.errorText.hasPrefix("telpher: "))
    #expect(result.errorText.split(separator: "\n").count == 1)
  }

  @Test func nobodyThereIs125() async throws {
    let result = try await sandbox.telpher("run", "--on", "unix:/no/such.sock", "--", "true")
    #expect(result.status == 125)
    #expect(result.errorText.hasPrefix("telpher: connect to unix:/no/such.sock"))
  }

  @Test func aLinkThatIsCutIs125() async throws {
    // A server that takes the connection, says nothing and goes.
    sandbox.addProgram("ssh", "#!/bin/sh\nexec true\n")
    for arguments in [["run"], ["run", "--json"]] {
      let child = try sandbox.start(arguments + ["--on", "ssh://somewhere", "--", "true"])
      let result = await child.finish()
      #expect(result.status == 125)
      if arguments.count == 2 {
        #expect(result.text.contains(#""result":"lost""#))
      } else {
        #expect(result.errorText.hasPrefix("telpher: the connection "))
      }
    }
  }
}
