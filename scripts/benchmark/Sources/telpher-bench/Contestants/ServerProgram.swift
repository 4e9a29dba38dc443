internal import TelpherClient
internal import TelpherServer
internal import TelpherTransport

/// A Telpher server in a separate process that listens on a Unix socket and on TCP.
final class ServerProgram: Sendable {
  let backend: Backend
  /// The name in tables.
  let name: String
  let program: Program
  /// The addresses where it listens.
  let unix: SocketAddress
  let tcp: SocketAddress
  /// The path of the file with the token for TCP.
  let tokenFile: String

  /// Starts the program `telpher` or `telpher-nio`, with `options` in addition to the usual ones.
  ///
  /// - Throws: `Failure` if it does not start.
  convenience init(
    _ backend: Backend, _ bench: Bench, options: [String] = [], environment: [String: String] = [:],
    name: String? = nil
  ) throws {
    try self.init(
      backend, bench, name: name,
      command: [bench.program(backend.program), "serve"] + options + [
        "--log-level", "error", "--max-connections", "16384",
      ], environment: environment)
  }

  /// Starts the program as it is shipped (`Bench.shippedProgram(_:)`).
  ///
  /// - Throws: `Failure` if it does not start.
  convenience init(shipped backend: Backend, _ bench: Bench) throws {
    try self.init(
      backend, bench, name: nil,
      command: [
        bench.shippedProgram(backend), "serve", "--log-level", "error", "--max-connections",
        "16384",
      ])
  }

  /// Starts `telpher-bench serve`, a server process with `heap` MiB of touched memory.
  convenience init(
    _ backend: Backend, _ bench: Bench, heap: Int, options: [String] = [], name: String? = nil
  ) throws {
    try self.init(
      backend, bench, name: name,
      command: [
        bench.program("telpher-bench"), "serve", "--backend", backend.rawValue, "--heap", "\(heap)",
      ] + options)
  }

  /// Starts a server for each way to start a process: that of each backend, and libuv's uv_spawn.
  ///
  /// - Parameter heap: MiB of touched memory in the server; nil for the program itself.
  static func launchers(_ bench: Bench, heap: Int? = nil) throws -> [ServerProgram] {
    func make(_ backend: Backend, _ options: [String], _ name: String) throws -> ServerProgram {
      guard let heap else {
        return try ServerProgram(backend, bench, options: options, name: name)
      }
      return try ServerProgram(backend, bench, heap: heap, options: options, name: name)
    }
    return try Backend.allCases.map { try make($0, [], $0.rawValue) }
      + [try make(.uv, ["--spawn", "uv"], Self.uvSpawn)]
  }

  /// The name of the server that starts processes by uv_spawn.
  private static let uvSpawn = "uv, by uv_spawn"

  /// Whether the server starts processes by uv_spawn.
  var usesUVSpawn: Bool { name == Self.uvSpawn }

  private init(
    _ backend: Backend, _ bench: Bench, name: String?, command: [String],
    environment: [String: String] = [:]
  ) throws {
    self.backend = backend
    self.name = name ?? backend.rawValue
    tokenFile = bench.folder("token")
    let socket = bench.folder("\(backend.rawValue)-\(bench.names.next()).sock")
    program = try Program(
      command + [
        "--listen", "unix:\(socket)", "--listen", "tcp:127.0.0.1:0", "--token-file", tokenFile,
      ], environment: environment, output: .pipe)
    unix = try SocketAddress(parsing: try program.readLine(after: "listening on "))
    tcp = try SocketAddress(parsing: try program.readLine(after: "listening on "))
  }

  /// Ends the server.
  func stop() { program.stop() }

  /// Returns the token in hexadecimal, the argument for `bench-load-c`.
  func token() throws -> String { try TokenFile(tokenFile).read().hexadecimal }

  /// Connects to the server on a new loop and calls `body` on that loop's thread, which is the fastest
  /// way to use the library.
  func withConnection<Value: Sendable>(
    to address: SocketAddress? = nil, _ body: @escaping @Sendable (Connection) async throws -> Value
  ) async throws -> Value {
    let address = address ?? tcp
    let token = try TokenFile(tokenFile).read()
    let loop = try backend.makeClientLoop()
    let result = await withTaskGroup(of: Result<Value, any Error>.self) { group in
      group.addTask(executorPreference: loop) {
        do {
          let connection = try await Connection.connect(
            to: .socket(address), on: loop, token: token)
          _ = try await connection.serverHello()
          let value = try await body(connection)
          await connection.close()
          return .success(value)
        } catch {
          return .failure(error)
        }
      }
      guard let result = await group.next() else { preconditionFailure("a task was added") }
      return result
    }
    await loop.shutDown()
    return try result.get()
  }
}

extension SocketAddress {
  /// The port; 0 for a Unix socket.
  var port: UInt16 {
    if case .tcp(_, let port) = self { port } else { 0 }
  }
}
