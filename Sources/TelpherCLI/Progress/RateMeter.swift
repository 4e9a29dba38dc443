/// How fast it went lately: over the last few seconds, so that the figure neither jumps nor clings to
/// a beginning that is long past.
struct RateMeter {
  /// The time that counts, in seconds.
  private static let window = 3.0

  private var samples: [(seconds: Double, bytes: Int64)] = [(0, 0)]

  /// At `seconds` since the start, `bytes` have been moved in all.
  mutating func add(_ bytes: Int64, at seconds: Double) {
    samples.append((seconds, bytes))
    // The youngest of the old ones stays, as the beginning of the window.
    let isOld = samples.dropFirst().prefix { $0.seconds <= seconds - Self.window }.count
    samples.removeFirst(isOld)
  }

  /// Bytes in a second; nil while there is nothing to tell it from.
  var bytesPerSecond: Double? {
    guard let first = samples.first, let last = samples.last, last.seconds > first.seconds,
      last.bytes > first.bytes
    else { return nil }
    return Double(last.bytes - first.bytes) / (last.seconds - first.seconds)
  }
}
