import Glibc
import TelpherClient
import TelpherTestSupport
import Testing

/// The login shell of this user, which is that of the server.
@Suite(.timeLimit(.minutes(15))) struct LoginShellTests {
  static let backends: [SystemBackend] = [.uv, .uvSpawn, .nio]

  private static func account() throws -> (name: String, home: String, shell: String) {
    let entry = try #require(getpwuid(geteuid())).pointee
    return (
      String(cString: entry.pw_name), String(cString: entry.pw_dir), String(cString: entry.pw_shell)
    )
  }

  private static func lines(_ result: CollectedResult) -> [String] {
    String(decoding: result.output, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  @Test(arguments: backends)
  func aLoginShellRunsALineInTheHome(_ backend: SystemBackend) async throws {
    let account = try Self.account()
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      let result = try await connection.run(
        Command(loginShell: "echo $SHELL; echo $HOME; echo $USER $LOGNAME; pwd; echo $PWD; exit 7"))
      #expect(result.result.status == .exited(7))
      #expect(
        Self.lines(result) == [
          account.shell, account.home, "\(account.name) \(account.name)", account.home,
          account.home,
        ])
    }
  }

  @Test(arguments: backends)
  func aSessionIsThatOfALogin(_ backend: SystemBackend) async throws {
    let name = try #require(try Self.account().shell.split(separator: "/").last)
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command(loginShell: nil)
      command.directory = "/"
      // The profile of the machine may print something of its own.
      let result = try await connection.run(command, input: Array("echo $0; pwd; exit 3\n".utf8))
      #expect(result.result.status == .exited(3))
      #expect(Array(Self.lines(result).suffix(2)) == ["-\(name)", "/"])
    }
  }

  @Test(arguments: backends)
  func variablesAndFolderOfTheRequestAreKept(_ backend: SystemBackend) async throws {
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      var command = Command(loginShell: "echo $HOME; pwd")
      command.environment = ["HOME": "/no/such/folder"]
      // A home that is not there does not keep the shell from starting.
      #expect(Self.lines(try await connection.run(command)) == ["/no/such/folder", "/"])
      command.environment = ["HOME": "/usr"]
      #expect(Self.lines(try await connection.run(command)) == ["/usr", "/usr"])
      command.directory = "/tmp"
      #expect(Self.lines(try await connection.run(command)) == ["/usr", "/tmp"])
    }
  }
}
