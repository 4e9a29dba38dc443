internal import TelpherTransport
internal import TelpherWire

/// What a client opened a stream for: a command or a file request. Its connection passes on what
/// arrives for the stream. The work calls `ServerConnection.workDidFinish` once at its end, also
/// if the stream ended earlier. Use it only on its loop's thread.
protocol StreamWork: AnyObject {
  /// Handles DATA.
  func receive(_ chunk: Chunk, on channel: Channel)

  /// Handles the FIN of a channel.
  func receiveEnd(of channel: Channel)

  /// Handles the messages of a CONTROL.
  ///
  /// - Throws: `WireError` if one is invalid; the caller then resets the stream.
  func receive(_ messages: [ControlMessage]) throws(WireError)

  /// The stream has ended before the work.
  func streamDidEnd(_ reason: StreamEnd)
}

/// Why a stream ended before its work.
enum StreamEnd {
  /// The client reset the stream or sent an invalid message.
  case canceled
  /// The connection was lost.
  case disconnected
}

/// How the server ends a stream.
enum StreamClosing {
  /// With a CLOSE.
  case close(CloseResult)
  /// With a CLOSE that is this JSON.
  case encodedClose([UInt8])
  /// With a RESET.
  case reset(ErrorCode, reason: String)
}
