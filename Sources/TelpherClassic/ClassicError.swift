/// A failure of a client or server of a tutorial's dialect.
package struct ClassicError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kind of failure. Compare codes instead of switching over them: later versions may add
  /// more.
  package struct Code: Sendable, Hashable, CustomStringConvertible {
    /// A stable name.
    package let description: String
    /// The caller's request cannot work: a bad address, an unknown encoding, or a dialect on the
    /// wrong transport.
    package static let badRequest = Code(description: "bad request")
    /// The connection to the server failed.
    package static let unreachable = Code(description: "unreachable")
    /// The connection ended before everything was received or sent.
    package static let lost = Code(description: "lost")
    /// The peer broke the rules of the dialect.
    package static let violation = Code(description: "violation")
    /// The received bytes do not match their digest.
    package static let damaged = Code(description: "damaged")
    /// A limit of `ClassicLimits` was exceeded.
    package static let limit = Code(description: "limit")
    /// Too many commands are waiting on the server.
    static let busy = Code(description: "busy")
    /// No answer came in time.
    package static let silent = Code(description: "silent")
    /// An operation of the system failed; the message describes it.
    package static let system = Code(description: "system")
  }

  /// The kind of failure.
  package var code: Code
  /// A description of the failure for a person, without a line break.
  package var message: String

  /// Creates an error.
  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The message.
  package var description: String { message }
}
