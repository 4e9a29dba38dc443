public import TelpherTransport
public import TelpherWire

/// Who is told what a link receives. Called on the link's loop; it may call the link back at once.
public protocol LinkDelegate: AnyObject {
  /// The peer's HELLO came. A server answers with `Link.announce()` or `Link.fail(_:)`.
  func link(_ link: Link, didReceive hello: Hello)
  /// The client opened a stream. It must be ended by `Link.close` or `Link.reset`.
  func link(_ link: Link, didOpen stream: StreamID, request: [UInt8], noInput: Bool)
  /// Bytes of a channel came. Each must be given to `Link.consume` once, or the stream ended.
  func link(_ link: Link, didReceive chunk: Chunk, on stream: StreamID, _ channel: Channel)
  /// The peer ended a channel.
  func link(_ link: Link, didFinish channel: Channel, of stream: StreamID)
  /// The peer sent a CONTROL; its JSON.
  func link(_ link: Link, didReceiveControl message: [UInt8], for stream: StreamID)
  /// The server ended a stream with a result; its JSON.
  func link(_ link: Link, didClose stream: StreamID, result: [UInt8])
  /// The peer ended a stream abruptly.
  func link(_ link: Link, didReset stream: StreamID, _ code: ErrorCode, reason: String)
  /// The peer takes no streams above `last`. Those above will never be answered.
  func link(_ link: Link, willGoAwayAfter last: StreamID, _ code: ErrorCode, reason: String)
  /// A PING of `Link.ping` was answered.
  func link(_ link: Link, didReceivePong number: UInt64)
  /// The connection has ended and all its streams with it. Once, and the last call.
  func link(_ link: Link, didEnd end: LinkEnd)
}

/// Why a connection ended.
public enum LinkEnd: Sendable, Equatable {
  /// This side ended it.
  case closed
  /// The peer ended it in order, between two frames and with no stream open.
  case finished
  /// It broke: cut in the middle of something, reset, or silent for too long. For a person.
  case lost(String)
  /// The peer broke the protocol and was told so.
  case peerFault(WireError)
  /// The peer said GOAWAY with an error, and closed.
  case refused(ErrorCode, String)
}
