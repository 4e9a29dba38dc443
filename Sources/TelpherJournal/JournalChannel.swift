/// One of a job's two outputs. The raw value is the number of its channel on the wire.
package enum JournalChannel: UInt8, Sendable, CaseIterable {
  /// Standard output, or what a terminal shows.
  case output = 1
  /// Standard error.
  case error = 2
}

extension JournalChannel: CustomStringConvertible {
  /// The name of the output.
  package var description: String {
    switch self {
    case .output: "stdout"
    case .error: "stderr"
    }
  }
}
