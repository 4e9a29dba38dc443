/// Whether a client of `size` acknowledges the size before the answer.
public enum ClassicAcknowledgement: String, Sendable, CaseIterable {
  /// It does when the server waits for it: when no answer comes for a while.
  case automatic = "auto"
  /// It does at once.
  case always
  /// It does not: the server sleeps before the answer.
  case never
}
