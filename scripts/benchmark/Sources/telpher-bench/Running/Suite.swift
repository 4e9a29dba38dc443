/// A group of comparisons: a section of docs/BENCHMARKS.md.
protocol Suite: Sendable {
  /// The name on the command line.
  static var name: String { get }
  /// A line that says what it measures.
  static var title: String { get }
  init()
  /// Starts the programs it needs, measures the contestants, and ends the programs.
  func run(_ bench: Bench) async throws -> [ComparisonResult]
}

/// All suites, in the order of their tables.
let allSuites: [any Suite.Type] = [
  FramesSuite.self, CommandsSuite.self, JobsSuite.self, CLISuite.self, OutputSuite.self,
  MixedSuite.self,
  FilesSuite.self, FarSuite.self, DoorSuite.self, FanOutSuite.self, FleetSuite.self,
  ForwardSuite.self,
  MemorySuite.self,
  HeapSuite.self,
  WireSuite.self, CostsSuite.self,
]
