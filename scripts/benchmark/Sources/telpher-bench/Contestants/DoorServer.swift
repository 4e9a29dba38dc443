internal import Glibc
internal import TelpherAccess
internal import TelpherClient
internal import TelpherTransport

/// A Telpher server in a separate process that listens on TCP, with TLS and without.
final class DoorServer: Sendable {
  let program: Program
  private let plain: Endpoint
  private let secured: Endpoint
  private let fingerprint: String
  private let token: Token

  /// Starts the program `telpher` with `options` in addition to the usual ones.
  ///
  /// - Throws: `Failure` if it does not start.
  init(_ bench: Bench, options: [String] = []) throws {
    let tokenFile = bench.folder("token")
    program = try Program(
      [bench.program(Backend.uv.program), "serve"] + options + [
        "--log-level", "error", "--max-connections", "16384", "--listen", "tcp:127.0.0.1:0",
        "--listen", "tls:127.0.0.1:0", "--token-file", tokenFile, "--host-key-file",
        bench.folder("host_key"),
      ], output: .pipe)
    plain = try Endpoint(parsing: try program.readLine(after: "listening on "))
    let address = try program.readLine(after: "listening on tls:")
    secured = try Endpoint(parsing: "tls://\(address)")
    let key = try program.readLine(after: "host key ")
    fingerprint = String(key.prefix { $0 != " " })
    token = try TokenFile(tokenFile).read()
  }

  /// Ends the server.
  func stop() { program.stop() }

  /// Connects.
  func connect(withTLS: Bool, on loop: any EventLoop) async throws -> Connection {
    let connection = try await Connection.connect(
      to: withTLS ? secured : plain, on: loop, token: token, hostKey: fingerprint)
    _ = try await connection.serverHello()
    return connection
  }

  /// Calls `body` on the thread of a new loop.
  func withLoop<Value: Sendable>(
    _ body: @escaping @Sendable (any EventLoop) async throws -> Value
  ) async throws -> Value {
    try await Backend.uv.withClientLoop(body)
  }

  /// Connects on a new loop and calls `body` on that loop's thread.
  func withConnection<Value: Sendable>(
    withTLS: Bool, _ body: @escaping @Sendable (Connection) async throws -> Value
  ) async throws -> Value {
    try await withLoop { loop in
      let connection = try await self.connect(withTLS: withTLS, on: loop)
      let value = try await body(connection)
      await connection.close()
      return value
    }
  }

  /// The processor time of the server so far, in seconds.
  func processorTime() throws -> Double {
    // proc_pid_stat(5): fields 14 and 15, counted after the name in parentheses.
    guard let text = readText("/proc/\(program.pid)/stat"), let end = text.lastIndex(of: ")") else {
      throw Failure("\(program.name) does not run")
    }
    let fields = text[end...].split(separator: " ")
    guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else {
      throw Failure("/proc/\(program.pid)/stat has another form")
    }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }
}
