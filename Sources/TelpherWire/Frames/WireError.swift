internal import TelpherText

/// A violation of the protocol by the peer, or a request of this side that the protocol can't carry
/// out.
package struct WireError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The code to send in a GOAWAY or RESET.
  package var code: ErrorCode
  /// The message for the user. It may quote the peer's input, escaped and cut to
  /// `WireConstants.maxErrorLength` bytes.
  package let message: String

  /// An error.
  package init(_ code: ErrorCode, _ message: String) {
    self.code = code
    self.message = ShownText.escaped(message).cut(toUTF8: WireConstants.maxErrorLength)
  }

  /// The message.
  package var description: String { message }
}

/// Why a stream was reset or a connection is going away. Peers may send codes not listed here.
package struct ErrorCode: Sendable, Hashable, CustomStringConvertible {
  /// The number on the wire.
  package let rawValue: UInt32
  /// A code by its number.
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// An orderly end.
  package static let none = ErrorCode(rawValue: 0)
  /// A rule of the protocol was broken.
  package static let protocolError = ErrorCode(rawValue: 1)
  /// The sender of this code has an internal fault.
  package static let internalError = ErrorCode(rawValue: 2)
  /// The peer sent more than its credit, or lowered a window.
  package static let flowControl = ErrorCode(rawValue: 3)
  /// A frame was longer than allowed.
  package static let frameTooLarge = ErrorCode(rawValue: 4)
  /// A frame type with the top bit set is unknown.
  package static let unknownCritical = ErrorCode(rawValue: 5)
  /// The peer is not allowed to connect.
  package static let notAuthenticated = ErrorCode(rawValue: 6)
  /// A named limit was reached.
  package static let limitReached = ErrorCode(rawValue: 7)
  /// A frame came for a stream in a state that forbids it.
  package static let streamState = ErrorCode(rawValue: 8)
  /// The sender does not need the stream any more.
  package static let canceled = ErrorCode(rawValue: 9)
  /// The peer took too long.
  package static let timeout = ErrorCode(rawValue: 10)
  /// The server is shutting down.
  package static let shuttingDown = ErrorCode(rawValue: 11)
  /// A relay has lost the connection to the other end.
  package static let lost = ErrorCode(rawValue: 12)
  /// The socket whose bytes the stream carries was reset or has failed.
  package static let socketBroken = ErrorCode(rawValue: 13)

  /// The name in docs/PROTOCOL.md; `code N` for an unknown number.
  package var description: String {
    let names = [
      "NO_ERROR", "PROTOCOL", "INTERNAL", "FLOW_CONTROL", "FRAME_TOO_LARGE", "UNKNOWN_CRITICAL",
      "NOT_AUTHENTICATED", "LIMIT", "STREAM_STATE", "CANCELED", "TIMEOUT", "SHUTTING_DOWN", "LOST",
      "SOCKET_BROKEN",
    ]
    return rawValue < names.count ? names[Int(rawValue)] : "code \(rawValue)"
  }
}
