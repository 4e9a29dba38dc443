/// What the peer's bytes mean: what `Session.nextEvent(in:at:)` returns. The caller does the I/O.
public enum SessionEvent: Equatable {
  /// The peer's HELLO; comes once, before all else. A server now decides whether the peer may stay.
  ///
  /// Indirect, or every event would have the size of a HELLO.
  indirect case hello(Hello)
  /// The client opened a stream; `request` is the JSON of its OPEN, not looked at yet.
  case open(StreamID, request: [UInt8], noInput: Bool)
  /// The client opened a stream past the limit. It has no state: `Session.close` may answer it once.
  case openPastLimit(StreamID)
  /// The client opened a stream by an OPEN that there was no room for, which is dropped. As with
  /// `openPastLimit`, it has no state.
  case openWithoutRoom(StreamID)
  /// Bytes `range` of the input arrived on a channel. They count as taken only once
  /// `Session.consume` is told so.
  case data(StreamID, Channel, range: Range<Int>)
  /// The peer ended a channel.
  case fin(StreamID, Channel)
  /// There may be more credit now: for one channel, or (nil) for the whole connection.
  case credit(StreamID, Channel?)
  /// A CONTROL; its JSON, not looked at yet.
  case control(StreamID, message: [UInt8])
  /// The stream ended with a result; its JSON, not looked at yet.
  case close(StreamID, result: [UInt8])
  /// The peer ended a stream abruptly.
  case reset(StreamID, ErrorCode, reason: String)
  /// The answer to a PING with this number.
  case pong(UInt64)
  /// The peer takes no streams above `last`, which the caller now resets; the others finish.
  case goAway(last: StreamID, ErrorCode, reason: String)
}
