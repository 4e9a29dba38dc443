package import TelpherTransport
package import TelpherWire

/// Receives the events of a link. Called on the link's loop; it may call the link from within a
/// callback.
package protocol LinkDelegate: AnyObject {
  /// The peer's HELLO arrived. A server responds with `Link.announce()` or `Link.fail(_:)`.
  func link(_ link: Link, didReceive hello: Hello)
  /// The client opened a stream; `request` is the JSON of its OPEN. The delegate must end the
  /// stream with `Link.close` or `Link.reset`.
  func link(_ link: Link, didOpen stream: StreamID, request: [UInt8], noInput: Bool)
  /// Bytes of a channel arrived. The delegate must pass their count to `Link.consume` once, or end
  /// the stream.
  func link(_ link: Link, didReceive chunk: Chunk, on stream: StreamID, _ channel: Channel)
  /// The peer sent the end of a channel (FIN).
  func link(_ link: Link, didFinish channel: Channel, of stream: StreamID)
  /// The peer sent a CONTROL; `message` is its JSON.
  func link(_ link: Link, didReceiveControl message: [UInt8], for stream: StreamID)
  /// The server ended a stream; `result` is the JSON of its CLOSE.
  func link(_ link: Link, didClose stream: StreamID, result: [UInt8])
  /// The peer ended a stream abruptly (RESET).
  func link(_ link: Link, didReset stream: StreamID, _ code: ErrorCode, reason: String)
  /// The peer accepts no streams above `last` (GOAWAY) and will never answer them.
  func link(_ link: Link, willGoAwayAfter last: StreamID, _ code: ErrorCode, reason: String)
  /// The peer answered a PING that `Link.ping` sent.
  func link(_ link: Link, didReceivePong number: UInt64)
  /// The connection and all its streams have ended. This is the last call, and it comes once.
  func link(_ link: Link, didEnd end: LinkEnd)
}

/// Why a connection ended.
package enum LinkEnd: Sendable, Equatable {
  /// This side ended it.
  case closed
  /// The peer closed it in order, between two frames and with no stream open.
  case finished
  /// The connection broke: it was cut in the middle of a message or a request, was reset, or the
  /// peer was silent for too long. The text is for the user.
  case lost(String)
  /// The peer violated the protocol; this side has sent it a GOAWAY.
  case peerFault(WireError)
  /// The peer sent a GOAWAY with an error and closed.
  case refused(ErrorCode, String)
}
