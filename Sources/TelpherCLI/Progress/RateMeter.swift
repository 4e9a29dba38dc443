/// Measures the rate of the last few seconds. The figure is smooth, and the beginning of a long
/// transfer does not affect it.
struct RateMeter {
  /// The time over which the rate is measured, in seconds.
  private static let window = 3.0

  private var samples: [(seconds: Double, bytes: Int64)] = [(0, 0)]

  /// Adds a sample: the total of `bytes` moved until `seconds` after the start.
  mutating func add(_ bytes: Int64, at seconds: Double) {
    samples.append((seconds, bytes))
    // The latest sample before the window is kept: it marks the window's beginning.
    let isOld = samples.dropFirst().prefix { $0.seconds <= seconds - Self.window }.count
    samples.removeFirst(isOld)
  }

  /// The rate; nil if the samples don't show one yet.
  var bytesPerSecond: Double? {
    guard let first = samples.first, let last = samples.last, last.seconds > first.seconds,
      last.bytes > first.bytes
    else { return nil }
    return Double(last.bytes - first.bytes) / (last.seconds - first.seconds)
  }
}
