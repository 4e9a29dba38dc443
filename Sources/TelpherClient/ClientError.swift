internal import TelpherWire

/// What went wrong between this client and the server. A command that fails is not an error.
public struct ClientError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Kinds of errors. More may come: compare, don't switch.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    /// A stable name.
    public let description: String
    /// Nobody answers at the address.
    public static let unreachable = Code(description: "unreachable")
    /// The address can't be used.
    public static let badAddress = Code(description: "bad address")
    /// The server does not let this client in.
    public static let notAuthenticated = Code(description: "not authenticated")
    /// The server did not take the request. Nothing was run.
    public static let refused = Code(description: "refused")
    /// The connection broke before the result was told: the command may have run, wholly or partly.
    public static let lost = Code(description: "lost")
    /// The command's deadline passed and the server did not answer: the command may still run.
    public static let deadlinePassed = Code(description: "deadline passed")
    /// The connection was closed on this side.
    public static let closed = Code(description: "closed")
    /// The output is longer than the limit given; the command was ended.
    public static let outputLimit = Code(description: "output limit")
    /// The command reads no more input.
    public static let inputClosed = Code(description: "input closed")
    /// The request is too large to be sent.
    public static let tooLarge = Code(description: "too large")
    /// Too many commands at once on this connection.
    public static let limit = Code(description: "limit")
    /// One of the two sides broke the protocol.
    public static let protocolError = Code(description: "protocol error")
  }

  /// The kind of error.
  public var code: Code
  /// What went wrong and what to do, for a person. The server's words in it are escaped.
  public let message: String

  /// An error.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = ShownText.escaped(message)
  }

  /// The message.
  public var description: String { message }
}
