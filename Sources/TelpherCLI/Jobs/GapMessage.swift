internal import TelpherClient
internal import TelpherWire

/// What the user reads about output that a job's journal does not have.
enum GapMessage {
  /// Prints a line about missing output on standard error.
  @Sendable static func report(_ gap: JobMark.Gap) {
    Descriptor.complain(text(gap))
  }

  /// The line.
  static func text(_ gap: JobMark.Gap) -> String {
    let name = gap.channel == Channel.stdout.rawValue ? "standard output" : "standard error"
    let reason =
      switch gap.reason {
      case "dropped": "the journal was full"
      case "discarded": "the job was ended while its journal was full"
      case "not_written": "they could not be written to the journal"
      default: "the journal is damaged"
      }
    return "\(gap.bytes) bytes of \(name) are missing from byte \(gap.offset) on: \(reason)"
  }
}
