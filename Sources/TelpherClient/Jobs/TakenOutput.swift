internal import TelpherWire

/// How far readers have come in the outputs of a durable job.
struct TakenOutput {
  /// After this many bytes a report is sent even if more output is waiting to be read.
  private static let interval: UInt64 = 64 << 10

  private var returned: [Channel: UInt64] = [:]
  private var unreported: UInt64 = 0

  /// A reader got a chunk.
  mutating func didReturn(_ count: Int, _ channel: Channel) {
    returned[channel, default: 0] += UInt64(count)
    unreported += UInt64(count)
  }

  /// A reader is done with what it got.
  ///
  /// - Parameters:
  ///   - isWaiting: whether nothing more has arrived.
  ///   - offsets: where the stream began, by channel number.
  ///   - gaps: what is missing from it.
  /// - Returns: the offsets to report, by channel number; nil if no report is due.
  mutating func report(
    isWaiting: Bool, from offsets: [String: UInt64], gaps: [JobMark.Gap]
  ) -> [String: UInt64]? {
    guard unreported > 0, isWaiting || unreported >= Self.interval else { return nil }
    unreported = 0
    var taken: [String: UInt64] = [:]
    for channel in [Channel.stdout, .stderr] {
      let key = "\(channel.rawValue)"
      var position = (offsets[key] ?? 0) &+ (returned[channel] ?? 0)
      for gap in gaps where gap.channel == channel.rawValue && gap.offset <= position {
        position &+= gap.bytes
      }
      taken[key] = position
    }
    return taken
  }
}
