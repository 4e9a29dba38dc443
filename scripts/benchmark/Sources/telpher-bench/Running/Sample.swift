/// The result of one turn of a contestant.
struct Sample: Sendable {
  /// The figure to compare.
  var value: Double
  /// How long each operation took, in nanoseconds; empty if that was not measured.
  var latencies: [UInt64] = []

  init(_ value: Double, latencies: [UInt64] = []) {
    self.value = value
    self.latencies = latencies
  }

  /// The rate of `count` operations since `begin` (a time of `monotonicNow()`), per second.
  init(perSecond count: Int, since begin: UInt64, latencies: [UInt64] = []) {
    self.init(Double(count) / (Double(monotonicNow() - begin) / 1e9), latencies: latencies)
  }

  /// The figure that a program printed after `name`, and the latencies that it printed.
  ///
  /// - Throws: `Failure` if there is no such figure.
  init(_ name: String, in lines: [String]) throws(Failure) {
    var value: Double?
    for line in lines {
      let words = line.split(separator: " ")
      guard words.count == 2 else { continue }
      if words[0] == name { value = Double(words[1]) }
      if words[0] == "latency_ns", let latency = UInt64(words[1]) { latencies.append(latency) }
    }
    guard let value else { throw Failure("no '\(name)' was printed") }
    self.value = value
  }
}
