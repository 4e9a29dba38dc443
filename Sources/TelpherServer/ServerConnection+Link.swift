internal import TelpherLink
internal import TelpherWire

extension ServerConnection {
  /// Refuses the request that has opened a stream.
  func refuse(_ stream: StreamID, _ message: String) {
    close(stream, CloseResult(.refused, message: message))
  }

  // A server opens no streams and waits for no PONG of its own, so it ignores these.
  func link(_ link: Link, didClose stream: StreamID, result: [UInt8]) {}
  func link(_ link: Link, willGoAwayAfter last: StreamID, _ code: ErrorCode, reason: String) {}
  func link(_ link: Link, didReceivePong number: UInt64) {}
}
