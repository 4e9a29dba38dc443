/// All figures of a run: the contents of the file of results.
struct Report: Codable {
  /// The machine that ran the benchmark.
  var machine: Machine
  /// Whether it was a quick run, whose figures are not reliable.
  var isQuick: Bool
  /// The suites, in the order of their tables.
  var suites: [SuiteResult]
}

/// The figures of a suite.
struct SuiteResult: Codable {
  var name: String
  var title: String
  var comparisons: [ComparisonResult]
  /// The reason why the whole suite failed; nil if it did not.
  var failure: String?
}
