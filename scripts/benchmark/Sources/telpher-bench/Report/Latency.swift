internal import Histogram

/// How long operations took, in microseconds, over all turns.
struct Latency: Codable {
  /// A point of the curve.
  struct Point: Codable {
    /// The percentage of operations that took at most `microseconds`.
    var percentile: Double
    /// The time of the slowest of them.
    var microseconds: Double
  }

  var count: UInt64
  var p50: Double
  var p99: Double
  var p999: Double
  /// The curve, with more points near 100 percent.
  var curve: [Point]

  /// Converts a histogram of nanoseconds. Nil if it is empty.
  init?(_ histogram: Histogram<UInt64>) {
    guard histogram.totalCount > 0 else { return nil }
    func at(_ percentile: Double) -> Double {
      Double(histogram.valueAtPercentile(percentile)) / 1e3
    }
    count = histogram.totalCount
    (p50, p99, p999) = (at(50), at(99), at(99.9))
    curve = histogram.percentiles(ticksPerHalfDistance: 5).map {
      Point(percentile: $0.percentile, microseconds: Double($0.value) / 1e3)
    }
  }
}
