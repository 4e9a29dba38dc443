import Glibc
import Testing

/// Hosts by name: `on`, HOST:PATH, and the configuration.
struct HostTests {
  let sandbox: Sandbox
  init() throws {
    sandbox = try Sandbox()
    // Both run the command here, in the home of the sandbox as sshd does, and record their
    // arguments.
    for name in ["ssh", "docker"] {
      sandbox.addProgram(
        name,
        """
        #!/bin/sh
        echo "\(name) $*" >>"$HOME/calls"
        while [ "$1" != telpher ]; do shift; done; shift
        cd && exec \(Sandbox.program) "$@"

        """)
    }
    mkdir(sandbox.folder + "/.config", 0o700)
    mkdir(sandbox.folder + "/.config/telpher", 0o700)
    configure(
      """
      host build
        address ssh://me@10.0.0.7:2222
        jump gate
        identity ~/.ssh/build
      host web
        address docker://web
      """)
  }

  private func configure(_ text: String) {
    sandbox.write(text, to: sandbox.folder + "/.config/telpher/config")
  }

  private func calls() async throws -> [String] {
    try await sandbox.text(of: sandbox.folder + "/calls")?.split(separator: "\n").map {
      String($0.replacing(" telpher serve --listen stdio", with: ""))
    } ?? []
  }

  private func telpher(_ arguments: [String]) async throws -> Finished {
    await (try sandbox.start(arguments)).finish()
  }

  private static let ssh = "ssh -T -e none -o ConnectTimeout=10"

  @Test(arguments: [
    ("build", "\(ssh) -p 2222 -J gate -i ~/.ssh/build -- me@10.0.0.7"),
    ("you@build", "\(ssh) -p 2222 -J gate -i ~/.ssh/build -- you@10.0.0.7"),
    ("web", "docker exec -i web"),
    ("other", "\(ssh) -- other"), ("me@other", "\(ssh) -- me@other"), ("[::1]", "\(ssh) -- ::1"),
    ("ssh://me@build:23", "\(ssh) -p 23 -- me@build"),
  ])
  func aNameOrAnAddressFindsItsHost(_ host: String, _ call: String) async throws {
    #expect(try await telpher(["on", host, "--", "sh", "-c", "exit 6"]).status == 6)
    #expect(try await telpher(["run", "--on", host, "--", "true"]).status == 0)
    #expect(try await calls() == [call, call])
  }

  @Test func onTakesTheOptionsOfRun() async throws {
    let result = try await sandbox.telpher(
      "on", "build", "-i", "--cwd", "/", "--env", "A=b c", "--json", "--shell", "cat; pwd; echo",
      "$A", input: "in ")
    #expect(result.text.contains("\"stdout\":\"in /\\nb c\\n\""))
    #expect(result.status == 0)
    let late = try await telpher(["on", "web", "--timeout", "100ms", "sleep", "600"])
    #expect(late.status == 124)
    // What follows the command belongs to it.
    #expect(try await telpher(["on", "web", "echo", "--json", "--"]).text == "--json --\n")
    let many = (1...3_000).map(String.init)
    #expect(
      try await telpher(["on", "web", "printf", "%s "] + many).text
        == many.map { $0 + " " }.joined())
  }

  @Test(
    arguments: [
      ([], "Missing the host as the first word"), (["--", "true"], "Missing the host"),
      (["web"], "Missing the command to run, as in 'telpher on build -- ls -l'"),
      (["web", "--bad", "--", "true"], "Unknown option '--bad'"),
      (["web", "--on", "build", "--", "true"], "so it takes no --on"),
      (["me@web", "--", "true"], "names a user, but the address of web is docker://web"),
      (["-oProxyCommand=x", "--", "true"], "Missing the host"),
      (["", "--", "true"], "'' is not a host for ssh"),
      (["a b", "--", "true"], "'a b' is not a host for ssh"),
    ] as [([String], String)])
  func aMistakeIsAUsageErrorAndStartsNothing(
    _ arguments: [String], _ message: String
  ) async throws {
    let result = try await telpher(["on"] + arguments)
    #expect(result.status == 125)
    #expect(result.errorText.contains(message), "\(result.errorText)")
    #expect(try await calls() == [])
  }

  @Test func filesAreCopiedToAndFromAHost() async throws {
    let folder = sandbox.folder
    mkdir(folder + "/here", 0o755)
    sandbox.write("1", to: folder + "/here/one")
    sandbox.write("2", to: folder + "/here/a:b")
    let result = try await sandbox.shell(
      """
      cd "$HOME/here" && telpher mkdir build:far && telpher put --quiet one ./a:b build:far &&
      telpher put --quiet one build: && telpher get --quiet build:far/one build:./far/a:b .. &&
      telpher put --quiet one web:~/tilde && telpher get --quiet web:"$HOME/tilde" - &&
      n=$(printf 'n\\377') && telpher put --quiet one "build:$n" && telpher rm "build:$n" &&
      telpher mv build:far/one build:far/two && telpher ls build:far && telpher stat web:far/two &&
      telpher rm -r build:far
      """)
    #expect(result.errorText == "")
    #expect(result.text.hasPrefix("1a:b\ntwo\npath: far/two\n"))
    #expect(result.status == 0)
    #expect(try await sandbox.text(of: folder + "/one") == "1")
    #expect(try await sandbox.text(of: folder + "/a:b") == "2")
    #expect(mode(of: folder + "/far") == nil)
  }

  @Test(arguments: [
    (["get", "build:a", "web:b", "."], "'build:a' and 'web:b' are on different hosts"),
    (["get", "build:a", "b", "."], "write 'build:b'"),
    (["get", "build:a", "c:d"], "'c:d' and 'build:a' are both on other machines"),
    (["put", "a:b", "build:"], "'a:b' and 'build:' are both on other machines"),
    (
      ["put", "build:a", "b"],
      "put copies from this one: use get; for a file of this name write './build:a'"
    ),
    (["get", "a", "build:b"], "get copies to this one: use put"),
    (
      ["put", "/etc/hostname", "--on", "web", "build:"], "names the host build, but --on names web"
    ),
    (["mv", "build:a", "b"], "write 'build:b'"),
    (["rm", "build:a", "me@build:b"], "are on different hosts"),
    (["ls", "docker://web:/x"], "begins as an address"),
    (["pick", "put", "build:x"], "must be on this one"),
  ])
  func pathsOnSeveralHostsAreRefused(_ arguments: [String], _ message: String) async throws {
    let result = try await telpher(arguments)
    #expect(result.status == 64)
    #expect(result.errorText.contains(message), "\(result.errorText)")
    #expect(try await calls() == [])
  }

  @Test func theHostOfAPathPrecedesTheEnvironment() async throws {
    let list = try await sandbox.telpher("ls", "web:", environment: ["TELPHER_ON": "build"])
    #expect(list.status == 0)
    let named = try await sandbox.telpher("ls", environment: ["TELPHER_ON": "build"])
    #expect(named.status == 0)
    #expect(try await calls().map { $0.prefix(4) } == ["dock", "ssh "])
  }

  @Test func theConfigurationIsReadFromXDGConfigHome() async throws {
    mkdir(sandbox.folder + "/xdg", 0o700)
    mkdir(sandbox.folder + "/xdg/telpher", 0o700)
    sandbox.write(
      "host web\naddress docker://other\n", to: sandbox.folder + "/xdg/telpher/config")
    for (value, name) in [(sandbox.folder + "/xdg", "other"), ("relative", "web"), ("", "web")] {
      let result = try await sandbox.telpher(
        "on", "web", "true", environment: ["XDG_CONFIG_HOME": value])
      #expect(result.status == 0)
      #expect(try await calls().last == "docker exec -i \(name)")
    }
  }

  @Test func aMistakeInTheConfigurationIsReportedWithItsLine() async throws {
    configure("# hosts\nhost build\n  adress x\n")
    let path = sandbox.folder + "/.config/telpher/config"
    for arguments in [
      ["on", "build", "true"], ["ls", "build:"], ["put", "/etc/hostname", "build:"],
    ] {
      let result = try await telpher(arguments)
      #expect(result.status == 125)
      #expect(
        result.errorText
          == "telpher: \(path):3: there is no key 'adress': did you mean 'address'?\n")
    }
    // An address needs no configuration.
    #expect(try await telpher(["on", "docker://web", "true"]).status == 0)
  }

  @Test func theConfigurationMustBeAFileThatOnlyItsUserWrites() async throws {
    let path = sandbox.folder + "/.config/telpher/config"
    chmod(path, 0o620)
    let writable = try await telpher(["on", "web", "true"])
    #expect(writable.status == 125)
    #expect(writable.errorText.contains("can be written by others: run chmod go-w on it"))
    chmod(path, 0o644)
    #expect(try await telpher(["on", "web", "true"]).status == 0)
    unlink(path)
    mkfifo(path, 0o600)
    let pipe = try await telpher(["on", "web", "true"])
    #expect(pipe.status == 125 && pipe.errorText.contains("is not a regular file"))
    unlink(path)
    // Without a file every name is ssh's.
    #expect(try await telpher(["on", "web", "true"]).status == 0)
    #expect(try await calls().last == "\(Self.ssh) -- web")
  }

  @Test(.enabled(if: geteuid() == 0, "only root can give a file to another user"))
  func theConfigurationOfAnotherUserIsRefused() async throws {
    chown(sandbox.folder + "/.config/telpher/config", 65_534, 65_534)
    let result = try await telpher(["on", "web", "true"])
    #expect(result.status == 125)
    #expect(result.errorText.contains("belongs to user 65534, not to you"))
  }
}
