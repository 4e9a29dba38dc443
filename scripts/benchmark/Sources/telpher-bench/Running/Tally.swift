internal import Histogram

/// The results of a contestant's turns so far.
struct Tally {
  let contestant: Comparison.Contestant
  private(set) var values: [Double] = []
  private(set) var latencies = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
  /// The reason why the contestant has no further turns.
  var failure: String?

  init(_ contestant: Comparison.Contestant) {
    self.contestant = contestant
    latencies.autoResize = true
  }

  mutating func add(_ sample: Sample) {
    values.append(sample.value)
    for latency in sample.latencies { _ = latencies.record(latency) }
  }
}
