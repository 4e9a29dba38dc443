/// When a client of `size` acknowledges the size of an answer.
package enum ClassicAcknowledgement: String, Sendable, CaseIterable {
  /// Only if no answer follows the size within `ClassicLimits.sleepingServer`: the server then
  /// waits for an acknowledgement.
  case automatic = "auto"
  /// At once.
  case always
  /// Never, for a server that sleeps before it sends the answer.
  case never
}
