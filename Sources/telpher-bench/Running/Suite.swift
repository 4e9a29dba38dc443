/// Comparisons that belong together: a row of docs/BENCHMARKS.md's first table.
protocol Suite: Sendable {
  /// Its name on the command line.
  static var name: String { get }
  /// What it measures.
  static var title: String { get }
  init()
  /// Starts what it needs, compares, and ends it all.
  func run(_ bench: Bench) async throws -> [ComparisonResult]
}

/// All suites, in the order of their tables.
let allSuites: [any Suite.Type] = [
  FramesSuite.self, CommandsSuite.self, CLISuite.self, OutputSuite.self, MixedSuite.self,
  FilesSuite.self, MemorySuite.self, HeapSuite.self, WireSuite.self, CostsSuite.self,
]
