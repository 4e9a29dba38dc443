import Glibc

/// Starts servers and clients of the tutorials' dialects: Telpher's, and the independent Python
/// programs of the folder Programs.
struct ClassicStage {
  let sandbox: Sandbox

  init() throws { sandbox = try Sandbox() }

  /// Whether Python is installed.
  static let hasPython = access("/usr/bin/python3", X_OK) == 0

  /// A server that listens.
  struct Running {
    let server: Child
    /// Its address, such as `tcp:127.0.0.1:8080`.
    let address: String
    var port: String { String(address.split(separator: ":").last ?? "") }

    /// Ends it with SIGTERM.
    func end() async -> Finished {
      server.signal(SIGTERM)
      return await server.finish()
    }
  }

  /// Starts `telpher classic serve`.
  func serve(
    _ dialect: String, at address: String = "tcp:127.0.0.1:0", _ options: String...
  ) async throws -> Running {
    try await serve(dialect, at: address, options)
  }

  /// Starts `telpher classic serve`.
  func serve(
    _ dialect: String, at address: String, _ options: [String]
  ) async throws -> Running {
    let server = try sandbox.start(
      ["classic", "serve", dialect, "--listen", address, "--i-know"] + options)
    guard let line = await server.line(), line.hasPrefix("listening on ") else {
      throw Failed("no server: \(await server.finish().errorText)")
    }
    return Running(server: server, address: String(line.dropFirst("listening on ".count)))
  }

  /// Starts a Python server.
  func pythonServer(
    _ program: String, _ arguments: String..., kind: String = "tcp"
  ) async throws -> Running {
    try await pythonServer(program, arguments, kind: kind)
  }

  /// Starts a Python server.
  func pythonServer(
    _ program: String, _ arguments: [String], kind: String = "tcp"
  ) async throws -> Running {
    let server = try python(program, arguments)
    guard let port = await server.line(), UInt16(port) != nil else {
      throw Failed("no server: \(await server.finish().errorText)")
    }
    return Running(server: server, address: "\(kind):127.0.0.1:\(port)")
  }

  /// Starts a Python program.
  func python(
    _ program: String, _ arguments: [String], input: Child.Input = .null
  ) throws -> Child {
    try Child(
      ["/usr/bin/python3", Self.programs + "/\(program).py"] + arguments,
      environment: sandbox.environment.merging(["PYTHONIOENCODING": "utf-8"]) { $1 }, input: input)
  }

  /// Runs a Python program to its end.
  func client(_ program: String, _ arguments: String...) async throws -> Finished {
    try await client(program, arguments)
  }

  /// Runs a Python program to its end.
  func client(_ program: String, _ arguments: [String]) async throws -> Finished {
    await (try python(program, arguments)).finish()
  }

  /// Runs `telpher classic run` to its end, with `input` as its standard input.
  func run(
    _ dialect: String, on server: Running, _ arguments: String..., input: String? = nil
  ) async throws -> Finished {
    let child = try sandbox.start(
      ["classic", "run", dialect, "--on", server.address] + arguments,
      input: input == nil ? .null : .pipe)
    if let input {
      await child.write(input)
      child.closeInput()
    }
    return await child.finish()
  }

  /// Creates a file of `count` pseudorandom bytes.
  func file(_ name: String, bytes count: Int) -> (path: String, bytes: [UInt8]) {
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    let bytes = (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
    let path = sandbox.folder + "/" + name
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    precondition(write(descriptor, bytes, count) == count)
    close(descriptor)
    return (path, bytes)
  }

  private static let programs =
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    .joined(separator: "/") + "/Programs"
}

/// Waits for a file that a command creates, and returns its text without line breaks.
func waitForFile(_ path: String) async throws -> String {
  for _ in 0..<6_000 {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    if file >= 0 {
      defer { close(file) }
      var bytes = [UInt8](repeating: 0, count: 4_096)
      let count = read(file, &bytes, bytes.count)
      let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
      return String(text.filter { $0 != "\n" })
    }
    try await Task.sleep(for: .milliseconds(10))
  }
  throw Failed("\(path) was not created")
}
