internal import TelpherClient

/// Measures what TLS costs, and compares it with ssh.
struct DoorSuite: Suite {
  static let name = "door"
  static let title = "Telpher over TLS, and ssh"

  /// The folder that is a tmpfs on any Linux.
  private static let memory = "/dev/shm"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let folder = try PrivateFolder(in: Self.memory)
    defer { folder.remove() }
    let big = FileSet(
      name: "big", isFolder: false, files: 1, bytes: bench.pick(1 << 30, quick: 64 << 20))
    try big.make(in: folder)
    let server = try DoorServer(bench, options: ["--root", folder.path])
    defer { server.stop() }
    let commands = try DoorServer(bench)
    defer { commands.stop() }
    let ssh = SSHDaemon.absence == nil ? try SSHDaemon(bench) : nil
    defer { ssh?.stop() }
    return [
      await bench.compare(output(commands, ssh, bench)),
      await bench.compare(put(big, folder, server, ssh)),
      await bench.compare(handshakes(commands, bench)),
      await bench.compare(processorTime(commands, bench)),
      await bench.compare(idleMemory(bench), rounds: 1),
    ]
  }

  private static let plain = "TCP, not encrypted"
  private static let secured = "TLS"
  private static let ssh = "ssh, aes128-gcm"

  private func output(_ server: DoorServer, _ ssh: SSHDaemon?, _ bench: Bench) -> Comparison {
    let bytes = bench.pick(2 << 30, quick: 128 << 20)
    let command = OutputLoad.command(bytes: bytes, block: 64 << 10)
    var comparison = Comparison("a command's output", unit: "GB/s")
    for withTLS in [false, true] {
      comparison.add(withTLS ? Self.secured : Self.plain, baseline: Self.plain) {
        try await server.withConnection(withTLS: withTLS) { connection in
          try await OutputLoad.run(command, bytes: bytes, on: connection)
        }
      }
    }
    addSSH(to: &comparison, Self.ssh, ssh) { ssh in
      let line = command.joined(separator: " ")
      return Sample(Double(bytes) / Double(try Program.time(ssh.warm(line))))
    }
    return comparison
  }

  private func put(
    _ set: FileSet, _ folder: PrivateFolder, _ server: DoorServer, _ ssh: SSHDaemon?
  ) -> Comparison {
    var comparison = Comparison("put \(set.title)", unit: "GB/s")
    let source = folder(set.name)
    for withTLS in [false, true] {
      comparison.add(withTLS ? Self.secured : Self.plain, baseline: Self.plain) {
        try await server.withConnection(withTLS: withTLS) { connection in
          try await set.measure(in: folder) { copy in
            let report = try await connection.put([source], to: folder.name(copy))
            guard report.isComplete else { throw Failure("\(report.failures)") }
          }
        }
      }
    }
    addSSH(to: &comparison, "scp, aes128-gcm", ssh) { ssh in
      try await set.measure(in: folder) { copy in
        try Program(ssh.copy(source, "bench:\(copy)")).finish()
      }
    }
    if Tool.find("rsync") == nil {
      comparison.leaveOut("rsync over ssh", because: "rsync is not installed")
    } else {
      addSSH(to: &comparison, "rsync over ssh", ssh) { ssh in
        try await set.measure(in: folder) { copy in
          try Program(["rsync", "-a", "-e", ssh.shell, source, "bench:\(copy)"]).finish()
        }
      }
    }
    return comparison
  }

  /// How many connections are opened at once.
  private static let atOnce = 16

  /// Opens `count` connections one after the other in each of some tasks.
  private static func open(
    _ count: Int, on server: DoorServer, withTLS: Bool
  ) async throws -> Double {
    try await server.withLoop { loop in
      let begin = monotonicNow()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<atOnce {
          group.addTask(executorPreference: loop) {
            for _ in 0..<(count / atOnce) {
              await (try server.connect(withTLS: withTLS, on: loop)).close()
            }
          }
        }
        try await group.waitForAll()
      }
      return Double(monotonicNow() - begin) / 1e9
    }
  }

  private func handshakes(_ server: DoorServer, _ bench: Bench) -> Comparison {
    let count = bench.pick(8_000, quick: 480)
    var comparison = Comparison(
      "connections with both proofs, \(Self.atOnce) at once (client and server on this machine)",
      unit: "/s")
    for withTLS in [false, true] {
      comparison.add(withTLS ? Self.secured : Self.plain, baseline: nil) {
        Sample(Double(count) / (try await Self.open(count, on: server, withTLS: withTLS)))
      }
    }
    return comparison
  }

  private func processorTime(_ server: DoorServer, _ bench: Bench) -> Comparison {
    let count = bench.pick(8_000, quick: 480)
    var comparison = Comparison(
      "processor time of the server for each such connection", unit: "ms", lessIsBetter: true)
    for withTLS in [false, true] {
      comparison.add(withTLS ? Self.secured : Self.plain, baseline: nil) {
        let before = try server.processorTime()
        _ = try await Self.open(count, on: server, withTLS: withTLS)
        return Sample((try server.processorTime() - before) * 1e3 / Double(count))
      }
    }
    return comparison
  }

  private func idleMemory(_ bench: Bench) -> Comparison {
    let count = bench.pick(2_000, quick: 200)
    var comparison = Comparison(
      "memory of the server for each of \(count) idle connections", unit: "KiB",
      lessIsBetter: true)
    for withTLS in [false, true] {
      comparison.add(withTLS ? Self.secured : Self.plain, baseline: nil) {
        let server = try DoorServer(bench)
        defer { server.stop() }
        // A first connection, so that one-time initialization does not count.
        _ = try await server.withConnection(withTLS: withTLS) { try await $0.ping() }
        let before = try Self.size(of: server)
        return try await server.withLoop { loop in
          var connections: [Connection] = []
          for _ in 0..<count {
            connections.append(try await server.connect(withTLS: withTLS, on: loop))
          }
          let after = try await ProcessMemory.settled(within: 10) { try Self.size(of: server) }
          for connection in connections { await connection.close() }
          return Sample(Double(after - before) / Double(count))
        }
      }
    }
    return comparison
  }

  private static func size(of server: DoorServer) throws -> Int {
    guard let size = ProcessMemory.kibibytes(of: server.program.pid) else {
      throw Failure("\(server.program.name) does not run")
    }
    return size
  }

  private func addSSH(
    to comparison: inout Comparison, _ name: String, _ ssh: SSHDaemon?,
    _ measure: @escaping @Sendable (SSHDaemon) async throws -> Sample
  ) {
    if let ssh {
      comparison.add(name, baseline: Self.plain) { try await measure(ssh) }
    } else {
      comparison.leaveOut(name, because: SSHDaemon.absence ?? "")
    }
  }
}
