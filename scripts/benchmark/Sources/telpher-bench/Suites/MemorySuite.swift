internal import Glibc
internal import TelpherClient

/// Measures a server's memory for idle clients, and for clients that do not read.
struct MemorySuite: Suite {
  static let name = "memory"
  static let title = "Memory of the server's processes (proportional set size)"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    // A turn takes a minute, and the figures hardly vary.
    return [
      await bench.compare(try idle(bench), rounds: 1),
      await bench.compare(unread(bench), rounds: 1),
    ]
  }

  // MARK: Idle

  private func idle(_ bench: Bench) throws -> Comparison {
    let count = bench.pick(10_000, quick: 500)
    let few = bench.pick(50, quick: 3)
    var comparison = Comparison(
      "for each of \(count) idle connections (sshd: of \(few))", unit: "KiB", lessIsBetter: true)
    for backend in Backend.allCases {
      comparison.add(backend.rawValue, baseline: nil) {
        let server = try ServerProgram(backend, bench)
        defer { server.stop() }
        // A first connection, so that one-time initialization does not count.
        _ = try await server.withConnection { try await $0.ping() }
        let before = try Self.size(of: server.program)
        let load = try Program(
          [bench.program("bench-load-c"), "idle", "\(server.tcp.port)", "\(count)"]
            + FrameLoad.Opening.proof(try server.token()).arguments, input: .pipe, output: .pipe)
        defer { load.stop() }
        _ = try load.readLine(after: "ready", within: 120)
        let after = try await ProcessMemory.settled(within: 10) {
          try Self.size(of: server.program)
        }
        return Sample(Double(after - before) / Double(count))
      }
    }
    guard SSHDaemon.absence == nil else {
      comparison.leaveOut("sshd", because: SSHDaemon.absence ?? "")
      return comparison
    }
    comparison.add("sshd", baseline: nil) {
      let ssh = try SSHDaemon(bench)
      defer { ssh.stop() }
      let before = Self.size(of: ssh)
      let clients = try (0..<few).map { _ in
        try Program(ssh.cold("echo ready; exec cat"), input: .pipe, output: .pipe)
      }
      defer { clients.forEach { $0.stop() } }
      for client in clients { _ = try client.readLine(after: "ready") }
      let after = try await ProcessMemory.settled(within: 10) { Self.size(of: ssh) }
      return Sample(Double(after - before) / Double(few))
    }
    return comparison
  }

  // MARK: Unread

  private func unread(_ bench: Bench) -> Comparison {
    let streams = bench.pick(200, quick: 20)
    var comparison = Comparison(
      "growth by \(streams) commands on one connection with unread output", unit: "MiB",
      lessIsBetter: true)
    for backend in Backend.allCases {
      comparison.add(backend.rawValue, baseline: nil) {
        let server = try ServerProgram(backend, bench)
        defer { server.stop() }
        _ = try await server.withConnection { try await $0.run(Command("/bin/true")) }
        let before = try Self.size(of: server.program)
        let after = try await server.withConnection { connection in
          try await Self.withUnreadStreams(streams, on: connection) {
            try await ProcessMemory.settled(within: bench.pick(20, quick: 3)) {
              try Self.size(of: server.program)
            }
          }
        }
        return Sample(Double(after - before) / 1_024)
      }
    }
    guard SSHDaemon.absence == nil else {
      comparison.leaveOut("sshd", because: SSHDaemon.absence ?? "")
      return comparison
    }
    comparison.add("sshd, ControlMaster", baseline: nil) {
      let ssh = try SSHDaemon(bench)
      defer { ssh.stop() }
      let before = Self.size(of: ssh)
      let clients = try (0..<streams).map { _ in try Program(ssh.warm("yes"), output: .pipe) }
      defer { clients.forEach { $0.stop() } }
      for client in clients { _ = try client.readLine() }
      let after = try await ProcessMemory.settled(within: bench.pick(20, quick: 3)) {
        Self.size(of: ssh)
      }
      return Sample(Double(after - before) / 1_024)
    }
    return comparison
  }

  /// Calls `body` while `count` commands with unlimited output run and the client does not read it.
  private static func withUnreadStreams(
    _ count: Int, on connection: Connection, _ body: () async throws -> Int
  ) async throws -> Int {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<count {
        group.addTask {
          _ = try await connection.run(Command("yes")) { _ in
            try await Task.sleep(for: .seconds(3_600))
          }
        }
      }
      let value = try await body()
      group.cancelAll()
      while true {
        do {
          guard try await group.next() != nil else { break }
        } catch is CancellationError {}
      }
      return value
    }
  }

  private static func size(of program: Program) throws -> Int {
    guard let size = ProcessMemory.kibibytes(of: program.pid) else {
      throw Failure("\(program.name) does not run")
    }
    return size
  }

  private static func size(of ssh: SSHDaemon) -> Int {
    ProcessMemory.kibibytes(ofTree: ssh.daemon.pid, named: "sshd")
  }
}
