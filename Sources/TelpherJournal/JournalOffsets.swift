/// A number of bytes for each output: a place in the job's output, counted from its start, or an
/// amount.
package struct JournalOffsets: Sendable, Equatable {
  /// Bytes of standard output.
  package var output: UInt64
  /// Bytes of standard error.
  package var error: UInt64

  /// The start of both outputs, or no bytes.
  package static let zero = JournalOffsets(output: 0, error: 0)

  /// Creates offsets from the bytes of each output.
  package init(output: UInt64, error: UInt64) {
    self.output = output
    self.error = error
  }

  /// The bytes of one output.
  package subscript(channel: JournalChannel) -> UInt64 {
    get {
      switch channel {
      case .output: output
      case .error: error
      }
    }
    set {
      switch channel {
      case .output: output = newValue
      case .error: error = newValue
      }
    }
  }

  /// Whether this is at or before `other` in each of `channels`.
  func isAtOrBefore(_ other: JournalOffsets, in channels: [JournalChannel]) -> Bool {
    channels.allSatisfy { self[$0] <= other[$0] }
  }
}
