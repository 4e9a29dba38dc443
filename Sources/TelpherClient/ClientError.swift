internal import TelpherText
internal import TelpherWire

/// An error of the connection between this client and a server. A command that fails is not an
/// error but a result.
public struct ClientError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds of errors. Later versions may add some, so compare codes instead of switching over
  /// them.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    /// The name of the code; it does not change between versions.
    public let description: String
    /// A code by its name.
    package init(description: String) { self.description = description }
    /// No server answers at the address.
    public static let unreachable = Code(description: "unreachable")
    /// This machine is out of descriptors, memory or processes.
    public static let exhausted = Code(description: "exhausted")
    /// There is no telpher at the address, or it can't be copied there.
    public static let notInstalled = Code(description: "not installed")
    /// The address is invalid.
    public static let badAddress = Code(description: "bad address")
    /// The server refuses this client, or the client does not trust the server.
    public static let notAuthenticated = Code(description: "not authenticated")
    /// The server refused the request. Nothing was run.
    public static let refused = Code(description: "refused")
    /// The connection was lost before the result arrived. The command may have run in whole or in
    /// part.
    public static let lost = Code(description: "lost")
    /// The command's deadline passed and the server did not answer. The command may still run.
    public static let deadlinePassed = Code(description: "deadline passed")
    /// The connection was closed on this side.
    public static let closed = Code(description: "closed")
    /// The socket at the other side of a forwarded connection was reset or has failed.
    public static let reset = Code(description: "reset")
    /// The output is longer than the limit; the command was canceled.
    public static let outputLimit = Code(description: "output limit")
    /// The command reads no more input.
    public static let inputClosed = Code(description: "input closed")
    /// The request is too large to be sent.
    public static let tooLarge = Code(description: "too large")
    /// The connection has as many open streams as the server allows.
    public static let limit = Code(description: "limit")
    /// A signal of the terminal, such as that of Ctrl-C, has ended the program that was to carry the
    /// connection, while it was in the terminal's foreground. The same signal was sent to this
    /// process's group. Nothing was run.
    public static let interrupted = Code(description: "interrupted")
    /// The server broke the protocol, or says that this client did.
    public static let protocolError = Code(description: "protocol error")
  }

  /// The kind of error.
  public var code: Code
  /// What went wrong and what to do about it, in plain text. Control characters in text from the
  /// server are escaped.
  public let message: String
  /// The number of the signal if the code is `interrupted`.
  package private(set) var signal: Int32?

  /// Creates an error; `message` is escaped.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = ShownText.escaped(message)
  }

  /// The error `interrupted` by a signal.
  package init(interruptedBy signal: Int32) {
    self.init(.interrupted, "ended by signal \(signal) before a server answered; nothing was run")
    self.signal = signal
  }

  /// The message.
  public var description: String { message }
}
