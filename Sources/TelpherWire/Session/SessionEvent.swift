/// An event in the peer's input, as `Session.nextEvent(in:at:)` returns it. The caller does the
/// I/O.
package enum SessionEvent: Equatable {
  /// The peer's HELLO arrived. It comes once, before all other events except a GOAWAY. A server now
  /// decides whether to accept the peer.
  ///
  /// Indirect, because every event would otherwise be as large as a HELLO.
  indirect case hello(Hello)
  /// The client opened a stream; `request` is the JSON of its OPEN, not decoded yet.
  case open(StreamID, request: [UInt8], noInput: Bool)
  /// The client opened a stream beyond the limit. The session keeps no state for it:
  /// `Session.close` may answer it once.
  case openPastLimit(StreamID)
  /// The client opened a stream with a long OPEN that `Session.admitsLongOpen` rejected. Its
  /// payload is dropped. As for `openPastLimit`, the session keeps no state.
  case openWithoutRoom(StreamID)
  /// Bytes `range` of the input arrived on a channel. They hold credit until they are passed to
  /// `Session.consume`.
  case data(StreamID, Channel, range: Range<Int>)
  /// The peer sent the end of a channel (FIN).
  case fin(StreamID, Channel)
  /// There may be new credit: for one channel, or for the whole connection if the channel is nil.
  case credit(StreamID, Channel?)
  /// A CONTROL arrived; `message` is its JSON, not decoded yet.
  case control(StreamID, message: [UInt8])
  /// The server ended the stream; `result` is the JSON of its CLOSE, not decoded yet.
  case close(StreamID, result: [UInt8])
  /// The peer ended a stream abruptly (RESET).
  case reset(StreamID, ErrorCode, reason: String)
  /// The peer asks for a PONG with this number. Only if `Session.passesPings` is true.
  case ping(UInt64)
  /// The answer to a PING with this number.
  case pong(UInt64)
  /// The peer accepts no streams above `last` (GOAWAY). The caller now resets those above it; the
  /// others finish.
  case goAway(last: StreamID, ErrorCode, reason: String)
}
