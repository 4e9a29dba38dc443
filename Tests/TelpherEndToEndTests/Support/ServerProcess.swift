import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

/// `telpher serve` in a process of its own, so that its memory, descriptors and time are its own.
struct ServerProcess {
  let program: LocalProgram
  let clientLoop: any EventLoop
  let address: SocketAddress

  var view: ProcessView { program.view }

  func connect() async throws -> Connection {
    try await Connection.connect(
      to: .socket(address), on: clientLoop, trustedUsers: [UInt32(program.view.uid)])
  }

  /// Runs `body` with a server, and ends the server with SIGTERM after it.
  ///
  /// - Parameters:
  ///   - wrapper: a program with arguments that runs the server with other rights and limits.
  ///   - path: the program; nil for the backend's own.
  static func with<Value>(
    _ backend: SystemBackend, wrapper: [String] = [], program path: String? = nil,
    environment: [String: String] = [:], _ body: (ServerProcess) async throws -> Value
  ) async throws -> Value {
    let socket = "/tmp/telpher-test-\(UInt64.random(in: 0 ... .max)).sock"
    let program = try LocalProgram(
      wrapper + [
        path ?? backend.program, "serve", "--listen", "unix:\(socket)", "--log-level", "critical",
      ],
      environment: environment)
    defer { unlink(socket) }
    let clientLoop = try backend.makeLoop()
    let result: Result<Value, any Error>
    do {
      let line = try await program.line()
      #expect(line == "listening on unix:\(socket)")
      let server = ServerProcess(
        program: program, clientLoop: clientLoop, address: .unix(path: socket))
      result = .success(try await body(server))
    } catch {
      result = .failure(error)
    }
    await clientLoop.shutDown()
    // Send it twice, so that the server does not wait for commands that a test has left running.
    program.signal(SIGTERM)
    program.signal(SIGTERM)
    try await eventually("the server ends at SIGTERM") { program.exit != nil }
    #expect(program.exit == .exited(code: 0))
    return try result.get()
  }
}
