/// What one run of one contestant gave.
struct Sample: Sendable {
  /// The figure that is compared.
  var value: Double
  /// How long each of its operations took, in nanoseconds, where that was measured.
  var latencies: [UInt64] = []

  init(_ value: Double, latencies: [UInt64] = []) {
    self.value = value
    self.latencies = latencies
  }

  /// `count` things per second since `begin`, of `monotonicNow()`.
  init(perSecond count: Int, since begin: UInt64, latencies: [UInt64] = []) {
    self.init(Double(count) / (Double(monotonicNow() - begin) / 1e9), latencies: latencies)
  }

  /// The figure that a program printed behind `name`, and the latencies it printed.
  ///
  /// - Throws: `Failure` where it printed none.
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
