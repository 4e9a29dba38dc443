import Glibc
import Testing

struct ReachTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test func aTCPClientAuthenticatesWithTheToken() async throws {
    let (server, addresses) = try await sandbox.serve("--listen", "tcp:localhost:0")
    let address = try #require(addresses.first)
    let token = sandbox.folder + "/.config/telpher/token"
    #expect(mode(of: token) == 0o600)
    #expect(address.hasPrefix("tcp:localhost:") && !address.hasSuffix(":0"))
    for arguments in [["--on", address], []] {
      let child = try sandbox.start(
        ["run"] + arguments + ["--", "echo", "in"], environment: ["TELPHER_ON": address])
      #expect(await child.finish().text == "in\n")
    }
    server.signal(SIGTERM)
    let log = await server.finish()
    let secret = try await sandbox.shell("cat \(token)").text
    #expect(log.errorText.contains(token))
    #expect(secret.count == 65 && !log.errorText.contains(secret.dropLast()))
  }

  @Test func withoutANamedServerACommandRunsInTheUsersFolder() async throws {
    let line = "cd /usr && telpher run -- pwd"
    #expect(try await sandbox.shell(line).text == "/usr\n")
    let (server, addresses) = try await sandbox.serve()
    #expect(try await sandbox.shell(line).text == "/usr\n")
    let address = try #require(addresses.first)
    let named = try await sandbox.shell("cd /usr && telpher run --on \(address) -- pwd")
    #expect(named.status == 0 && named.text != "/usr\n")
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func aWrongTokenIsRefused() async throws {
    let (server, addresses) = try await sandbox.serve(
      "--listen", "tcp:127.0.0.1:0", "--token-file", sandbox.folder + "/right")
    let address = try #require(addresses.first)
    let wrong = sandbox.folder + "/wrong"
    sandbox.write(String(repeating: "0", count: 64) + "\n", to: wrong)
    let refused = try await sandbox.telpher(
      "run", "--on", address, "--token-file", wrong, "--", "true")
    #expect(refused.status == 125)
    #expect(refused.errorText.contains("the token is not this server's"))
    let missing = try await sandbox.telpher("run", "--on", address, "--", "true")
    #expect(missing.status == 125)
    #expect(missing.errorText.contains("/.config/telpher/token"))
    #expect(missing.errorText.contains("'telpher serve --listen tcp:HOST:PORT'"))
    let right = try await sandbox.telpher(
      "ping", "--on", address, environment: ["TELPHER_TOKEN_FILE": sandbox.folder + "/right"])
    #expect(right.status == 0)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test(arguments: ["tcp:0.0.0.0:0", "tcp:[::]:0", "tcp:example.org:7"])
  func serverAndClientRefuseTCPWithOtherHosts(_ address: String) async throws {
    for arguments in [["serve", "--listen", address], ["run", "--on", address, "--", "true"]] {
      let result = await (try sandbox.start(arguments)).finish()
      #expect(result.status == 125)
      #expect(result.errorText.contains("not encrypted") && result.errorText.contains("ssh://"))
    }
  }

  @Test func sshCarriesTheConnection() async throws {
    let program = Sandbox.program
    // The remote command follows `--` and the host in the arguments of ssh.
    sandbox.addProgram(
      "ssh",
      """
      #!/bin/sh
      echo "$@" >"$HOME/ssh-arguments"
      while [ "$1" != -- ]; do shift; done
      shift 3
      exec \(program) "$@"

      """)
    let address = "ssh://me@host:22"
    let result = try await sandbox.telpher("run", "--on", address, "-i", "--", "cat", input: "x")
    #expect(result.text == "x")
    #expect(result.errorText.isEmpty)
    let arguments = try await sandbox.shell("cat \"$HOME/ssh-arguments\"").text
    #expect(
      arguments == "-T -e none -o ConnectTimeout=10 -p 22 -- me@host telpher serve --listen stdio\n"
    )
    let failed = try await sandbox.telpher("run", "--on", address, "--", "sh", "-c", "exit 5")
    #expect(failed.status == 5)
  }

  @Test func aMissingSSHIsReported() async throws {
    let result = try await sandbox.telpher(
      "run", "--on", "ssh://host", "--", "true", environment: ["PATH": sandbox.folder + "/bin"])
    #expect(result.status == 125)
    #expect(result.errorText.contains("ssh"))
  }

  @Test func pingAndInfoPrintTextAndJSON() async throws {
    let (server, _) = try await sandbox.serve()
    let pings = try await sandbox.telpher("ping", "--count", "3")
    #expect(pings.text.split(separator: "\n").count == 3)
    let json = try await sandbox.telpher("ping", "--json")
    #expect(json.text.contains("\"times_ms\":["))
    let info = try await sandbox.telpher("info")
    #expect(info.text.contains("pid: \(server.pid)\n"))
    let object = try await sandbox.telpher("info", "--json")
    #expect(object.text.contains("\"pid\":\(server.pid)"))
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func pingAndInfoStartNoServer() async throws {
    for command in ["ping", "info"] {
      let result = try await sandbox.telpher(command)
      #expect(result.status == 125)
      #expect(result.errorText.hasPrefix("telpher: no server answers at unix:\(sandbox.socket)"))
    }
  }

  @Test func helpVersionCompletionsAndUnknownCommands() async throws {
    #expect(try await sandbox.telpher("--version").text == "telpher 0.1.0\n")
    for command in ["serve", "run", "ping", "info"] {
      let help = try await sandbox.telpher(command, "--help")
      #expect(help.status == 0)
      #expect(help.text.contains("USAGE: telpher \(command)"))
    }
    for shell in ["bash", "zsh", "fish"] {
      let script = try await sandbox.telpher("--generate-completion-script", shell)
      #expect(script.status == 0 && script.text.contains("telpher"))
    }
    let unknown = try await sandbox.telpher("fly")
    #expect(unknown.status == 64)
    #expect(
      unknown.errorText.hasPrefix(
        "telpher: there is no command 'fly': the commands are serve, run, "))
    let nested = try await sandbox.telpher("classic", "rn")
    #expect(
      nested.errorText
        == "telpher: there is no command 'rn': did you mean 'run'? (see 'telpher classic --help')\n"
    )
    let mistyped = try await sandbox.telpher("rn", "--", "ls")
    #expect(mistyped.status == 64)
    #expect(
      mistyped.errorText
        == "telpher: there is no command 'rn': did you mean 'run'? (see 'telpher --help')\n")
  }

  @Test(arguments: [
    (
      ["run", "--timeuot=5", "--", "true"],
      "Unknown option '--timeuot=5'. Did you mean '--timeout'? If it is the command to run, "
    ),
    (["run", "--colour"], "Unknown option '--colour'; if it is the command to run, "),
    (
      ["shell", "--reconect"],
      "Unknown option '--reconect'. Did you mean '--reconnect'? If it begins the command, "
    ),
  ])
  func anUnknownOptionIsReportedWithTheMostSimilarOne(
    _ arguments: [String], _ message: String
  ) async throws {
    let result = await (try sandbox.start(arguments)).finish()
    #expect(result.status != 0 && result.errorText.hasPrefix("telpher: \(message)write '-- --"))
  }
}
