internal import TelpherText

/// A violation of the protocol by the peer, or a request of this side that the protocol can't carry
/// out.
public struct WireError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The code to send in a GOAWAY or RESET.
  public var code: ErrorCode
  /// The message for the user. It may quote the peer's input, escaped and cut to
  /// `WireConstants.maxErrorLength` bytes.
  public let message: String

  /// An error.
  public init(_ code: ErrorCode, _ message: String) {
    self.code = code
    self.message = ShownText.escaped(message).cut(toUTF8: WireConstants.maxErrorLength)
  }

  /// The message.
  public var description: String { message }
}

/// Why a stream was reset or a connection is going away. Peers may send codes not listed here.
public struct ErrorCode: Sendable, Hashable, CustomStringConvertible {
  /// The number on the wire.
  public let rawValue: UInt32
  /// A code by its number.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// An orderly end.
  public static let none = ErrorCode(rawValue: 0)
  /// A rule of the protocol was broken.
  public static let protocolError = ErrorCode(rawValue: 1)
  /// The sender of this code has an internal fault.
  public static let internalError = ErrorCode(rawValue: 2)
  /// The peer sent more than its credit, or lowered a window.
  public static let flowControl = ErrorCode(rawValue: 3)
  /// A frame was longer than allowed.
  public static let frameTooLarge = ErrorCode(rawValue: 4)
  /// A frame type with the top bit set is unknown.
  public static let unknownCritical = ErrorCode(rawValue: 5)
  /// The peer is not allowed to connect.
  public static let notAuthenticated = ErrorCode(rawValue: 6)
  /// A named limit was reached.
  public static let limitReached = ErrorCode(rawValue: 7)
  /// A frame came for a stream in a state that forbids it.
  public static let streamState = ErrorCode(rawValue: 8)
  /// The sender does not need the stream any more.
  public static let canceled = ErrorCode(rawValue: 9)
  /// The peer took too long.
  public static let timeout = ErrorCode(rawValue: 10)
  /// The server is shutting down.
  public static let shuttingDown = ErrorCode(rawValue: 11)

  /// The name in docs/PROTOCOL.md; `code N` for an unknown number.
  public var description: String {
    let names = [
      "NO_ERROR", "PROTOCOL", "INTERNAL", "FLOW_CONTROL", "FRAME_TOO_LARGE", "UNKNOWN_CRITICAL",
      "NOT_AUTHENTICATED", "LIMIT", "STREAM_STATE", "CANCELED", "TIMEOUT", "SHUTTING_DOWN",
    ]
    return rawValue < names.count ? names[Int(rawValue)] : "code \(rawValue)"
  }
}
