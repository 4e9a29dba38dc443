internal import TelpherText

/// An error of the fleet: of the broker, of the connection to it, or of what a user asked of it. A job
/// that fails is not an error but a final record.
package struct FleetError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds of errors.
  package enum Code: String, Sendable {
    /// The broker does not answer, or its storage does not work at present. Nothing of the call has
    /// happened, so it can be repeated.
    case unreachable
    /// The broker did not confirm the call. It may have happened or not; repeating it is safe, because
    /// each call of an engine can be repeated.
    case uncertain
    /// The broker refuses the call: these credentials may not make it, or the broker has other settings.
    case refused
    /// The broker holds no such queue, or the fleet was never set up.
    case absent
    /// A payload is larger than the broker takes.
    case tooLarge
    /// What a user has given makes no sense: a name, a signature, an option.
    case invalid
    /// This machine's own storage has failed, or is used by another process.
    case local
    /// This machine's disk has no room. Nothing was stored, and the same call may succeed later.
    case full
    /// The broker has answered what no broker answers.
    case broken
  }

  /// The kind of error.
  package let code: Code
  /// What went wrong and what to do about it, in plain text. Control characters in it are escaped.
  package let message: String

  /// Creates an error; `message` is escaped.
  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = ShownText.escaped(message)
  }

  package var description: String { message }

  /// Whether the same call may succeed later without any change by a person.
  package var isPassing: Bool { code == .unreachable || code == .uncertain }
}
