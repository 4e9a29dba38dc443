/// Measures the cost of TelpherWire without I/O.
struct WireSuite: Suite {
  static let name = "wire"
  static let title = "TelpherWire alone: one thread, no I/O"

  func run(_ bench: Bench) async throws -> [ComparisonResult] {
    var times = Comparison("nanoseconds for one", unit: "ns", lessIsBetter: true)
    var allocations = Comparison("allocations for one", unit: "allocations", lessIsBetter: true)
    for work in WireWork.allCases {
      let count = bench.pick(work.count, quick: work.count / 20)
      let command = [
        bench.program("telpher-bench"), "wire", work.rawValue, "--count", "\(count)",
      ]
      times.add(work.title, baseline: nil) {
        try Sample("nanoseconds", in: try Program.lines(of: command))
      }
      allocations.add(work.title, baseline: nil) {
        let counter = try AllocationCount(bench)
        let lines = try Program.lines(
          of: command + ["--counts", counter.path], environment: counter.environment)
        return try Sample("allocations", in: lines)
      }
    }
    return [await bench.compare(times), await bench.compare(allocations, rounds: 1)]
  }
}
