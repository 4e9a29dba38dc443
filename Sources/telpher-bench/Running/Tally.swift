internal import Histogram

/// What a contestant's turns gave so far.
struct Tally {
  let contestant: Comparison.Contestant
  private(set) var values: [Double] = []
  private(set) var latencies = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
  /// Why it takes no part any more.
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
