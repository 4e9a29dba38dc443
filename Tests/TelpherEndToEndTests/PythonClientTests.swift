import Glibc
import TelpherAccess
import TelpherClient
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

/// Runs docs/client.py, the complete client to which docs/PROTOCOL.md leads: as a program, and
/// imported by other programs.
@Suite(.timeLimit(.minutes(3))) struct PythonClientTests {
  @Test(arguments: SystemBackend.all, [false, true])
  func runsACommand(_ backend: SystemBackend, overTCP: Bool) async throws {
    try await Self.withClient(backend, overTCP: overTCP) { client in
      let result = try await client.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
      #expect(result.output == Array("out\n".utf8))
      #expect(result.error == Array("err\n".utf8))
      #expect(result.result.status == .exited(7))
    }
  }

  @Test(arguments: SystemBackend.all)
  func passesOnInputAndLargeOutput(_ backend: SystemBackend) async throws {
    try await Self.withClient(backend) { client in
      let input = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let result = try await client.run(["cat"], input: input)
      // Compare outside of the macro, which would compute the differences of megabytes.
      let isSame = result.output == input
      #expect(isSame, "\(result.output.count) bytes of \(input.count), \(result.result)")
      #expect(result.result.isSuccess)
    }
  }

  @Test(arguments: SystemBackend.all)
  func reportsSignalsAndMissingPrograms(_ backend: SystemBackend) async throws {
    try await Self.withClient(backend) { client in
      for (command, code) in [
        (["sh", "-c", "kill -9 $$"], 137), (["no-such-program"], 127), (["/"], Int32(126)),
      ] {
        let result = try await client.run(command)
        #expect(result.result.status == .exited(code))
      }
    }
  }

  // Each command waits for the other one, and the server accepts only one connection beside the
  // one that runs Python.
  @Test(arguments: SystemBackend.all)
  func runsSeveralCommandsAtOnceOnOneConnection(_ backend: SystemBackend) async throws {
    try await Self.withClient(backend, maxConnections: 2) { client in
      let result = try await client.run(
        program: """
          import client, os, sys, tempfile, threading
          with tempfile.TemporaryDirectory() as folder, client.Connection(sys.argv[1]) as connection:
              there, back = folder + "/there", folder + "/back"
              os.mkfifo(there), os.mkfifo(back)
              script = 'echo "$0" > "$1" & read line < "$2"; echo "$0 got $line"; wait'
              results = {}
              def run(name, *pipes):
                  results[name] = connection.run(["sh", "-c", script, name, *pipes])
              threads = [threading.Thread(target=run, args=("one", there, back)),
                         threading.Thread(target=run, args=("two", back, there))]
              for thread in threads: thread.start()
              for thread in threads: thread.join()
              for name in ("one", "two"): print(results[name].status, results[name].output)
          """)
      #expect(Self.text(result.error) == "")
      #expect(Self.text(result.output) == "0 b'one got two\\n'\n0 b'two got one\\n'\n")
    }
  }

  // The output is longer than the window of the connection.
  @Test(arguments: SystemBackend.all)
  func aReaderThatStopsDoesNotStopOtherCommands(_ backend: SystemBackend) async throws {
    try await Self.withClient(backend) { client in
      let result = try await client.run(
        program: """
          import client, sys, threading
          with client.Connection(sys.argv[1]) as connection:
              may_read, began, count = threading.Event(), threading.Event(), []
              def read(channel, data):
                  began.set(), may_read.wait(), count.append(len(data))
              command = ["head", "-c", "20000000", "/dev/zero"]
              thread = threading.Thread(target=connection.run, args=(command, None, read))
              thread.start(), began.wait()
              print(connection.run(["echo", "meanwhile"]).output)
              may_read.set(), thread.join()
              print(sum(count))
          """)
      #expect(Self.text(result.error) == "")
      #expect(Self.text(result.output) == "b'meanwhile\\n'\n20000000\n")
    }
  }

  @Test(arguments: SystemBackend.all)
  func endsACommandWhoseReaderFails(_ backend: SystemBackend) async throws {
    try await Self.withClient(backend) { client in
      let result = try await client.run(
        program: """
          import client, sys
          def fail(channel, data): raise KeyError(int(data))
          with client.Connection(sys.argv[1]) as connection:
              try:
                  connection.run(["sh", "-c", "echo $$; exec sleep 1000"], on_output=fail)
              except KeyError as error:
                  number = error.args[0]
              ended = 'while kill -0 "$0" 2>&-; do sleep 0.01; done'
              print(connection.run(["sh", "-c", ended, str(number)], deadline_ms=60000).status)
          """)
      #expect(Self.text(result.error) == "")
      #expect(Self.text(result.output) == "0\n")
    }
  }

  @Test(arguments: SystemBackend.all)
  func saysThatTheServerRefusedACommandAndRunsTheNext(_ backend: SystemBackend) async throws {
    try await Self.withClient(backend) { client in
      let result = try await client.run(
        program: """
          import client, sys
          with client.Connection(sys.argv[1]) as connection:
              try:
                  connection.run(["true"], limits={"patience": 1})
              except client.TurnedAway as error:
                  print(error)
              print(connection.run(["echo", "next"]).output)
          """)
      #expect(
        Self.text(result.output)
          == "the server refused the command: run: there is no limit 'patience'\nb'next\\n'\n")
    }
  }

  // The connection that runs Python is the only one that this server accepts. A relay shares it.
  @Test(.disabled(if: Fixture.usesRelay), arguments: SystemBackend.all, [false, true])
  func saysThatTheServerIsBusy(_ backend: SystemBackend, overTCP: Bool) async throws {
    try await Self.withClient(backend, overTCP: overTCP, maxConnections: 1) { client in
      let result = try await client.run(["echo", "out"])
      #expect(result.result.status == .exited(125))
      #expect(result.output.isEmpty)
      #expect(
        Self.text(result.error).contains("turned away: LIMIT: the server has 1 connections"),
        "\(Self.text(result.error))")
    }
  }

  @Test(arguments: SystemBackend.all)
  func sendsNothingToAServerWithAnotherToken(_ backend: SystemBackend) async throws {
    try await Self.withClient(backend, overTCP: true, token: .random()) { client in
      let result = try await client.run(["echo", "out"])
      #expect(result.result.status == .exited(125))
      #expect(result.output.isEmpty)
      #expect(Self.text(result.error) == "client: turned away: the server has another token\n")
    }
  }

  /// The client, as commands of the server that it connects to.
  private struct Client {
    let connection: Connection
    /// The client's options and the server's address.
    let options: [String]

    /// Runs the client as a program.
    func run(_ command: [String], input: [UInt8]? = nil) async throws -> CollectedResult {
      try await connection.run(
        Command(arguments: ["python3", "-B", "\(Self.docs)/client.py"] + options + command),
        input: input)
    }

    /// Runs a program that can import the client. Its last argument is the address.
    func run(program: String) async throws -> CollectedResult {
      var command = Command(arguments: ["python3", "-B", "-c", program] + options)
      command.environment["PYTHONPATH"] = .some(ByteText(Self.docs))
      return try await connection.run(command)
    }

    private static let docs =
      #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/docs"
  }

  /// Calls `body` with the client of a new server.
  ///
  /// - Parameters:
  ///   - token: the server's token on TCP, if it is not the client's.
  ///   - maxConnections: how many connections the server accepts, with the one that runs Python.
  private static func withClient(
    _ backend: SystemBackend, overTCP: Bool = false, token: Token? = nil, maxConnections: Int = 16,
    _ body: (Client) async throws -> Void
  ) async throws {
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
    let secret = TokenFile("/tmp/telpher-python-\(UInt64.random(in: 0 ... .max)).token")
    defer { unlink(secret.file.path) }
    let known = try secret.readOrMake()
    try await Fixture.with(
      backend,
      configure: {
        $0.environment["PATH"] = SystemString(path)
        $0.tokens = TokenSource(token ?? known)
        $0.maxConnections = maxConnections
      }
    ) { fixture in
      let address = overTCP ? try await fixture.server.listen(at: tcp) : fixture.address
      let options =
        switch address {
        case .unix(let path): [path]
        case .tcp(let host, let port): ["--token-file", secret.file.path, "\(host):\(port)"]
        case .vsock: preconditionFailure("no test listens there")
        }
      let connection = try await fixture.connect()
      try await body(Client(connection: connection, options: options))
      await connection.close()
    }
  }

  private static let tcp = SocketAddress.tcp(host: "127.0.0.1", port: 0)

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
