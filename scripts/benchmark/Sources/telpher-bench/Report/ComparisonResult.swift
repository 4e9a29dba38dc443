/// The figures of one table.
struct ComparisonResult: Codable {
  /// The figures of one contestant.
  struct Entry: Codable {
    var name: String
    /// The figures of its turns.
    var values: [Double]
    /// The contestant that the ratios refer to.
    var baseline: String?
    /// Each figure divided by the baseline's of the same turn.
    var ratios: [Double]
    /// How long single operations took; nil if that was not measured.
    var latency: Latency?
    /// The reason why all or some figures are missing.
    var failure: String?
  }

  /// A contestant that was left out, and the reason.
  struct Absence: Codable {
    var name: String
    var reason: String
  }

  var title: String
  var unit: String
  var lessIsBetter: Bool
  var entries: [Entry]
  var absent: [Absence]

  init(_ comparison: Comparison, _ tallies: [Tally]) {
    title = comparison.title
    unit = comparison.unit
    lessIsBetter = comparison.lessIsBetter
    entries = tallies.map { tally in
      let baseline = tallies.first { $0.contestant.name == tally.contestant.baseline }
      let pairs = zip(tally.values, baseline?.values ?? [])
      return Entry(
        name: tally.contestant.name, values: tally.values, baseline: baseline?.contestant.name,
        ratios: pairs.map { $0 / $1 }.filter(\.isFinite), latency: Latency(tally.latencies),
        failure: tally.failure)
    }
    absent = comparison.absent.map { Absence(name: $0.name, reason: $0.reason) }
  }
}
