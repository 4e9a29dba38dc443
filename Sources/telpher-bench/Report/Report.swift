/// All figures of a run, as they stand in the results' file.
struct Report: Codable {
  /// What they were measured on.
  var machine: Machine
  /// Whether only a glance was taken.
  var isQuick: Bool
  /// In the order of their tables.
  var suites: [SuiteResult]
}

/// The figures of a suite.
struct SuiteResult: Codable {
  var name: String
  var title: String
  var comparisons: [ComparisonResult]
  /// Why the suite as a whole could not be run.
  var failure: String?
}
