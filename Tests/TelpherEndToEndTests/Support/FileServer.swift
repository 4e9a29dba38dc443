import Glibc
import TelpherClient
import TelpherFileStore
import TelpherTestSupport
import TelpherTransport
import Testing

/// `telpher serve --root` in its own process, which a test may kill at any time, and folders for it
/// and its clients.
struct FileServer {
  let folder: String
  var root: String { folder + "/root" }
  var local: String { folder + "/local" }

  /// Runs `body` with new folders.
  static func with(_ body: (FileServer) async throws -> Void) async throws {
    let files = FileServer(folder: "/tmp/telpher-faults-\(UInt64.random(in: 0 ... .max))")
    for path in [files.folder, files.root, files.local] { mkdir(path, 0o755) }
    let result: Result<Void, any Error>
    do { result = .success(try await body(files)) } catch { result = .failure(error) }
    try? Root("/tmp").remove(
      try RelativePath(String(files.folder.dropFirst("/tmp/".count))), recursively: true)
    try result.get()
  }

  /// The path of strace(1), which injects the faults.
  static let hasTracer = access("/usr/bin/strace", X_OK) == 0

  /// The options of a client that reaches a server with TLS.
  ///
  /// - Parameter lines: what the server has printed.
  private func tlsOptions(_ lines: [String]) throws -> [String] {
    let address = try #require(lines.first { $0.hasPrefix("listening on tls:") })
    let key = try #require(lines.first { $0.hasPrefix("host key ") })
    return [
      "--on", "tls://" + address.dropFirst("listening on tls:".count),
      "--host-key", String(key.split(separator: " ")[2]), "--token-file", folder + "/token",
      "--keep", "0",
    ]
  }

  /// Starts a server, runs `body` with it, and ends it if it has not ended before.
  ///
  /// - Parameters:
  ///   - faults: the faults that strace(1) injects, for example `pwrite64:signal=SIGKILL:when=2`.
  ///   - wrapper: a program with arguments that runs the server with other limits.
  ///   - usesTLS: whether it listens with TLS too.
  ///   - body: gets a connection over the Unix socket, and the options of a client to reach the server,
  ///     with TLS if it listens with it.
  /// - Returns: whether the server still ran after `body`.
  @discardableResult
  func serve(
    _ backend: SystemBackend = .uv, faults: [String] = [], wrapper: [String] = [],
    usesTLS: Bool = false, _ body: (Connection, [String]) async throws -> Void
  ) async throws -> Bool {
    let socket = folder + "/socket"
    unlink(socket)
    var arguments = [
      backend.program, "serve", "--listen", "unix:\(socket)", "--root", root,
      "--log-level",
      "critical",
    ]
    if usesTLS {
      arguments += [
        "--listen", "tls:127.0.0.1:0", "--host-key-file", folder + "/host_key", "--token-file",
        folder + "/token", "--authorized-keys", "none",
      ]
    }
    if !faults.isEmpty {
      let calls = faults.map { String($0.prefix { $0 != ":" }) }.joined(separator: ",")
      arguments =
        ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=\(calls)", "--seccomp-bpf"]
        + faults.flatMap { ["-e", "inject=\($0)"] } + arguments
    }
    let program = try LocalProgram(wrapper + arguments)
    var lines: [String] = []
    for _ in 0..<(usesTLS ? 3 : 1) { lines.append(try await program.line()) }
    let options = usesTLS ? try tlsOptions(lines) : ["--on", "unix:\(socket)"]
    let loop = try SystemBackend.uv.makeLoop()
    let result: Result<Void, any Error>
    do {
      let connection = try await Connection.connect(to: .socket(.unix(path: socket)), on: loop)
      try await body(connection, options)
      await connection.close()
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await loop.shutDown()
    let isAlive = program.exit == nil
    if isAlive {
      // strace passes the signal on.
      for pid in program.view.children + [program.view.pid] { kill(pid, SIGKILL) }
      try await eventually("the server ends") { program.exit != nil }
    }
    try result.get()
    return isAlive
  }

  /// The same without TLS.
  @discardableResult
  func serve(
    _ backend: SystemBackend = .uv, faults: [String] = [], wrapper: [String] = [],
    _ body: (Connection) async throws -> Void
  ) async throws -> Bool {
    try await serve(backend, faults: faults, wrapper: wrapper) { connection, _ in
      try await body(connection)
    }
  }

  /// The names in the root, including partial files.
  func names() throws -> [String] {
    try Root(root).folder(.root).names().map { String(decoding: $0, as: UTF8.self) }
  }

  func write(_ path: String, _ bytes: [UInt8]) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    _ = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
  }

  func read(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    fstat(descriptor, &status)
    return [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, count in
      count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
    }
  }
}
