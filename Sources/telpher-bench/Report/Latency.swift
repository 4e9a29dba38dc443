internal import Histogram

/// How long operations took, in microseconds, of all turns together.
struct Latency: Codable {
  /// A point of the curve.
  struct Point: Codable {
    /// Per cent of the operations ...
    var percentile: Double
    /// ... that took no longer than this.
    var microseconds: Double
  }

  var count: UInt64
  var p50: Double
  var p99: Double
  var p999: Double
  /// The curve, finer where it is steep.
  var curve: [Point]

  /// Nil where nothing was recorded. The histogram is of nanoseconds.
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
