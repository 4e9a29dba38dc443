/// How long short commands wait for bulk ones on the same connection.
struct MixedSuite: Suite {
  static let name = "mixed"
  static let title = "The 99th percentile of `true` beside outputs that fill the connection"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    let servers = try Backend.allCases.map { try ServerProgram($0, bench) }
    defer { servers.forEach { $0.stop() } }
    let ssh = SSHDaemon.absence == nil ? try SSHDaemon(bench) : nil
    defer { ssh?.stop() }
    var comparison = Comparison(
      "ratio to the contestant's own idle connection", unit: "p99 in us", lessIsBetter: true)
    let bulks = [0, 1, 8]
    for server in servers {
      let count = bench.pick(2_000, quick: 60)
      for bulk in bulks {
        comparison.add(
          Self.name(server.backend.rawValue, bulk), baseline: Self.name(server.backend.rawValue, 0)
        ) {
          try await server.withConnection { connection in
            try await MixedLoad.run(count: count, bulk: bulk, on: connection)
          }
        }
      }
    }
    let name = "ssh, ControlMaster"
    if let ssh {
      let count = bench.pick(400, quick: 10)
      for bulk in bulks {
        comparison.add(Self.name(name, bulk), baseline: Self.name(name, 0)) {
          let streams = try (0..<bulk).map { _ in try Program(ssh.warm("yes"), output: .null) }
          defer { streams.forEach { $0.stop() } }
          let sample = try ProgramBatch.run(ssh.warm("/bin/true"), count: count)
          return Sample(p99: sample.latencies)
        }
      }
    } else {
      comparison.leaveOut(name, because: SSHDaemon.absence ?? "")
    }
    return [await bench.compare(comparison)]
  }

  private static func name(_ contestant: String, _ bulk: Int) -> String {
    "\(contestant), \(bulk == 0 ? "idle" : bulk == 1 ? "1 bulk stream" : "\(bulk) bulk streams")"
  }
}
