/// Why a dialect could not be spoken, on either side.
public struct ClassicError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Kinds of failure. More may come: compare, don't switch.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    /// A stable name.
    public let description: String
    /// What was asked for makes no sense: an address, an encoding, a dialect on another carrier.
    public static let badRequest = Code(description: "bad request")
    /// The peer can't be reached.
    public static let unreachable = Code(description: "unreachable")
    /// The connection ended or broke before all had come.
    public static let lost = Code(description: "lost")
    /// The peer did not speak the dialect.
    public static let violation = Code(description: "violation")
    /// What came is not what was announced: a digest differs.
    public static let damaged = Code(description: "damaged")
    /// More than a named limit of `ClassicLimits`.
    public static let limit = Code(description: "limit")
    /// The server has too much to do.
    static let busy = Code(description: "busy")
    /// No answer came in time.
    public static let silent = Code(description: "silent")
    /// The system could not do it; the message says what.
    public static let system = Code(description: "system")
  }

  /// The kind of failure.
  public var code: Code
  /// What went wrong, for a person, without a line break.
  public var message: String

  /// An error.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The message.
  public var description: String { message }
}
