/// Measures whether starting a process costs more in a server with a larger heap.
struct HeapSuite: Suite {
  static let name = "heap"
  static let title = "`true` per second, 16 in flight, by the size of the server's heap"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    var results: [ComparisonResult] = []
    let count = bench.pick(2_000, quick: 100)
    for heap in bench.pick([20, 200, 800], quick: [20, 200]) {
      let servers = try ServerProgram.launchers(bench, heap: heap)
      defer { servers.forEach { $0.stop() } }
      var comparison = Comparison("\(heap) MiB", unit: "commands/s")
      comparison.setLimit {
        let limit = [bench.program("bench-spawn-c"), "\(count)", "16", "\(heap)", "/bin/true"]
        return try Sample("commands_per_second", in: try Program.lines(of: limit))
      }
      for server in servers {
        // It copies the page tables of the heap for each process, which takes tens of milliseconds.
        let count = server.usesUVSpawn ? count / 10 : count
        comparison.add(server.name) {
          try await server.withConnection(to: server.unix) { connection in
            try await CommandLoad.run(["/bin/true"], count: count, inFlight: 16, on: connection)
          }
        }
      }
      results.append(await bench.compare(comparison))
    }
    return results
  }
}
