/// Measures how much bulk streams delay short commands, and keys on a terminal, on the same connection.
struct MixedSuite: Suite {
  static let name = "mixed"
  static let title = "The 99th percentile of `true`, and of a key's echo, beside bulk streams"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let folder = try PrivateFolder(in: "/dev/shm")
    defer { folder.remove() }
    let file = FileSet(name: "file", isFolder: false, files: 1, bytes: 256 << 20)
    try file.make(in: folder)
    let servers = try Backend.allCases.map {
      try ServerProgram($0, bench, options: ["--root", folder.path])
    }
    defer { servers.forEach { $0.stop() } }
    let ssh = SSHDaemon.absence == nil ? try SSHDaemon(bench) : nil
    defer { ssh?.stop() }
    return [
      await bench.compare(commands(servers, ssh, folder(file.name), bench)),
      await bench.compare(keys(servers, ssh, bench)),
    ]
  }

  private static let ssh = "ssh, ControlMaster"
  private static let unit = "p99 in us"

  private func commands(
    _ servers: [ServerProgram], _ ssh: SSHDaemon?, _ file: String, _ bench: Bench
  ) -> Comparison {
    var comparison = Comparison(
      "ratio to the contestant's own idle connection", unit: Self.unit, lessIsBetter: true)
    for server in servers {
      let count = bench.pick(1_000, quick: 60)
      let name = server.backend.rawValue
      let loads = [
        MixedLoad.idle, .outputs(1), .outputs(1, stalled: 1), .outputs(8),
        .put(file, to: "copy-of-\(name)"),
      ]
      for load in loads {
        comparison.add(
          "\(name), \(load.title)", baseline: "\(name), \(MixedLoad.idle.title)"
        ) {
          try await server.withConnection { try await load.run(count: count, on: $0) }
        }
      }
    }
    let count = bench.pick(200, quick: 10)
    addSSH(to: &comparison, ssh) { ssh in
      try ProgramBatch.run(ssh.warm("/bin/true"), count: count).latencies
    }
    return comparison
  }

  private func keys(_ servers: [ServerProgram], _ ssh: SSHDaemon?, _ bench: Bench) -> Comparison {
    var comparison = Comparison(
      "a key's echo on a terminal, ratio to the contestant's own idle connection", unit: Self.unit,
      lessIsBetter: true)
    let count = bench.pick(2_000, quick: 100)
    comparison.leaveOut("nio", because: "it has no terminals")
    for server in servers where server.backend == .uv {
      let name = server.backend.rawValue
      for load in [MixedLoad.idle, .outputs(1), .outputs(8)] {
        comparison.add(
          "\(name), \(load.title)", baseline: "\(name), \(MixedLoad.idle.title)"
        ) {
          try await server.withConnection { connection in
            try await load.run(on: connection) { try await KeyLoad.run(count: count, on: $0) }
          }
        }
      }
    }
    addSSH(to: &comparison, ssh) { ssh in
      let terminal = try Program(
        ssh.terminal(KeyLoad.program), input: .pipe, output: .pipe, error: .null)
      defer { terminal.stop() }
      return try KeyLoad.run(count: count, in: terminal)
    }
    return comparison
  }

  /// Adds ssh with as many bulk streams; `measure` returns latencies in nanoseconds.
  private func addSSH(
    to comparison: inout Comparison, _ ssh: SSHDaemon?,
    _ measure: @escaping @Sendable (SSHDaemon) throws -> [UInt64]
  ) {
    guard let ssh else {
      return comparison.leaveOut(Self.ssh, because: SSHDaemon.absence ?? "")
    }
    for (bulk, load) in [(0, MixedLoad.idle), (1, .outputs(1)), (8, .outputs(8))] {
      comparison.add(
        "\(Self.ssh), \(load.title)", baseline: "\(Self.ssh), \(MixedLoad.idle.title)"
      ) {
        let streams = try (0..<bulk).map { _ in try Program(ssh.warm("yes"), output: .null) }
        defer { streams.forEach { $0.stop() } }
        return Sample(p99: try measure(ssh))
      }
    }
  }
}
