import Glibc
import TelpherClient
import TelpherFileStore
import TelpherLink
import TelpherServer
import TelpherTestSupport
import TelpherTransfer
import TelpherTransport
import Testing

/// A client and a server that are far from each other: a proxy delays each direction by 10 ms.
@Suite(.timeLimit(.minutes(10))) struct FarTests {
  private static let delay: UInt64 = 10_000_000

  /// Runs `body` with a connection through a proxy to a server of the folder `root`, and the
  /// server's budget for windows.
  private static func with(
    _ backend: SystemBackend, growth: UInt64? = nil,
    _ body:
      @escaping (
        _ connection: Connection, _ folder: String, _ budget: SharedWindowBudget
      ) async throws -> Void
  ) async throws {
    let name = "telpher-far-\(UInt64.random(in: 0 ... .max))"
    let folder = "/tmp/" + name
    mkdir(folder, 0o755)
    defer { try? Root("/tmp").remove(try RelativePath(name), recursively: true) }
    let files = FileService(root: try Root(folder))
    let budget = SharedWindowBudget(total: 64 << 20)
    try await Fixture.with(
      backend,
      configure: {
        $0.files = files
        $0.link.windowBudget = budget
        if let growth { $0.link.windowGrowth = growth }
      }
    ) { fixture in
      let proxyLoop = try backend.makeLoop()
      let place: SocketAddress =
        Fixture.usesTLS
        ? .tcp(host: "127.0.0.1", port: 0) : .unix(path: folder + "/proxy.sock")
      let proxy = try await DelayingProxy.start(
        at: place, to: fixture.target, delay: delay, on: proxyLoop)
      let connection = try await fixture.connect(at: await proxy.address)
      let result: Result<Void, any Error>
      do { result = .success(try await body(connection, folder, budget)) } catch {
        result = .failure(error)
      }
      await connection.close()
      await proxy.stop()
      // Not on the proxy's thread, which this ends.
      await Task.detached { await proxyLoop.shutDown() }.value
      try result.get()
    }
  }

  @Test(arguments: SystemBackend.all)
  func outputArrivesWhileItsWindowGrows(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, folder, _ in
      let bytes = noise(24 << 20)
      FileTests.write(folder + "/data", bytes)
      let result = try await connection.run(
        Command(arguments: ["cat", folder + "/data"]), limit: 64 << 20)
      #expect(result.result.isSuccess)
      #expect(result.output == bytes)
    }
  }

  /// What the server has reserved for larger windows is free afterwards. Whether they grow depends on
  /// the machine's pace; FarLinkTests test it in simulated time.
  @Test(arguments: SystemBackend.all)
  func inputArrivesWhileItsWindowGrows(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, folder, budget in
      let bytes = noise(24 << 20)
      let (_, result) = try await connection.run(
        Command(arguments: ["dd", "of=\(folder)/copy", "bs=64k", "status=none"]), hasInput: true
      ) { process in
        for start in stride(from: 0, to: bytes.count, by: 1 << 20) {
          try await process.input.write(Array(bytes[start..<(start + 1 << 20)]))
        }
        await process.input.finish()
      }
      #expect(result.isSuccess)
      #expect(try await connection.read("copy", limit: 64 << 20) == bytes)
      await connection.close()
      // A relay keeps its connection, and what was granted early on it until it has been idle.
      if !Fixture.usesRelay { try await eventually("the windows are free") { budget.used == 0 } }
    }
  }

  /// Commands that do not read get at most half of what the connection's windows may grow by, also
  /// if it has learned a larger one before.
  @Test(arguments: SystemBackend.all)
  func inputThatIsNotReadCostsLittle(_ backend: SystemBackend) async throws {
    try await Self.with(backend, growth: 16 << 20) { connection, _, budget in
      _ = try await connection.run(
        Command(shell: "cat > /dev/null"), input: [UInt8](repeating: 1, count: 24 << 20))
      let most = max(budget.used, 8 << 20)
      let (_, result) = try await connection.run(Command(shell: "sleep 60"), hasInput: true) {
        process in
        let writing = Task {
          try await process.input.write([UInt8](repeating: 2, count: 16 << 20))
        }
        // The connection answers meanwhile.
        for _ in 0..<5 { _ = try await connection.info() }
        #expect(budget.used <= most)
        await process.cancel()
        _ = try? await writing.value
      }
      #expect(!result.isSuccess)
    }
  }

  @Test(arguments: SystemBackend.all)
  func filesArriveWhileTheirWindowsGrow(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, _, _ in
      let bytes = noise(24 << 20)
      try await connection.write(bytes, to: "file")
      #expect(try await connection.read("file", limit: 64 << 20) == bytes)
    }
  }

  @Test(arguments: SystemBackend.all)
  func manyFilesArrive(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, folder, _ in
      mkdir(folder + "/source", 0o755)
      for number in 0..<500 {
        FileTests.write("\(folder)/source/\(number)", noise(number * 7))
      }
      let put = try await connection.put([folder + "/source"], to: "there", recursively: true)
      #expect(put.isComplete)
      let got = try await connection.get(["there"], to: folder + "/back", recursively: true)
      #expect(got.isComplete)
      for number in 0..<500 {
        #expect(try await connection.read("back/\(number)").count == number * 7)
      }
    }
  }

  @Test(arguments: SystemBackend.all)
  func cancelsAndSignalsArrive(_ backend: SystemBackend) async throws {
    try await Self.with(backend) { connection, _, _ in
      let (count, result) = try await connection.run(Command(shell: "yes")) { process in
        var count = 0
        for try await chunk in process.output {
          count += chunk.count
          if count > 4 << 20 { break }
        }
        return count
      }
      #expect(count > 4 << 20)
      #expect(!result.isSuccess)
      #expect(
        try await connection.run(Command(shell: "exit 7"), input: []).result.status == .exited(7))
    }
  }
}
