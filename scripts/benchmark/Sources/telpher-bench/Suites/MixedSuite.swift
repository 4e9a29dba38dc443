/// Measures how much bulk streams delay short commands on the same connection.
struct MixedSuite: Suite {
  static let name = "mixed"
  static let title = "The 99th percentile of `true` beside bulk streams"

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
    var comparison = Comparison(
      "ratio to the contestant's own idle connection", unit: "p99 in us", lessIsBetter: true)
    for server in servers {
      let count = bench.pick(1_000, quick: 60)
      let name = server.backend.rawValue
      let loads = [
        MixedLoad.idle, .outputs(1), .outputs(1, stalled: 1), .outputs(8),
        .put(folder(file.name), to: "copy-of-\(name)"),
      ]
      for load in loads {
        comparison.add(
          "\(name), \(load.title)", baseline: "\(name), \(MixedLoad.idle.title)"
        ) {
          try await server.withConnection { try await load.run(count: count, on: $0) }
        }
      }
    }
    let name = "ssh, ControlMaster"
    if let ssh {
      let count = bench.pick(200, quick: 10)
      for (bulk, load) in [(0, MixedLoad.idle), (1, .outputs(1)), (8, .outputs(8))] {
        comparison.add(
          "\(name), \(load.title)", baseline: "\(name), \(MixedLoad.idle.title)"
        ) {
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
}
