public import TelpherTransport
public import TelpherWire

/// The sending side of one channel of one stream. It holds at most one chunk that could not go yet:
/// whoever produces bytes stops when `send` says so and goes on at `onReady`. That is all of the
/// backpressure there is: a slow reader stops its own producer, and nothing is queued in between.
///
/// Made by `Link.outbound`, used on the link's loop.
public final class OutboundChannel {
  /// The stream it belongs to.
  public let stream: StreamID
  /// Its channel.
  public let channel: Channel
  /// Bytes sent so far.
  public private(set) var sentBytes: UInt64 = 0
  /// Called when more may be sent after `send` returned false.
  public var onReady: (() -> Void)?
  /// Called once, behind the FIN of `finish()`. It may come from within that call.
  public var onFinished: (() -> Void)?

  private(set) var pending: Chunk?
  private(set) var finishes = false
  private(set) var isFinished = false
  /// Whether it stands in the link's queue.
  var isQueued = false
  /// Whether its producer waits for `onReady`.
  private(set) var isAwaited = false
  private var isCanceled = false
  private unowned let link: Link

  init(link: Link, stream: StreamID, channel: Channel) {
    self.link = link
    self.stream = stream
    self.channel = channel
  }

  /// Bytes that may be sent now without being held: the credit.
  public var credit: Int {
    pending == nil && !finishes ? link.session.sendable(stream, channel) : 0
  }

  /// Sends `chunk`, as far as credit and connection allow, and keeps the rest.
  ///
  /// - Returns: whether more may be sent at once; if not, `onReady` follows.
  public func send(_ chunk: Chunk) -> Bool {
    precondition(pending == nil && !finishes, "a producer waits for onReady, and ends once")
    guard !chunk.isEmpty else { return true }
    pending = chunk
    link.submit(self)
    isAwaited = pending != nil || link.isBlocked || credit == 0
    if isAwaited { link.enqueueIfNeeded(self) }
    return !isAwaited
  }

  /// Ends the channel behind what was sent.
  public func finish() {
    guard !finishes else { return }
    finishes = true
    link.submit(self)
    wake()
  }

  /// Takes back what was given to `send` and has not gone. The channel sends no more of it.
  public func takeBack() -> Chunk? {
    defer { pending = nil }
    return pending
  }

  /// Whether there is anything left to do.
  var hasWork: Bool { !isCanceled && (pending != nil || (finishes && !isFinished)) }

  /// Takes the next `count` bytes that go out; with the last ones the FIN, if it is time for it.
  func take(_ count: Int) -> (chunk: Chunk?, fin: Bool) {
    var chunk: Chunk?
    if count > 0 {
      chunk = pending?.removePrefix(count)
      sentBytes += UInt64(count)
    }
    if pending?.isEmpty == true { pending = nil }
    let fin = finishes && pending == nil
    if fin { isFinished = true }
    return (chunk, fin)
  }

  /// Tells the producer to go on, if it waits and may.
  func wake() {
    if isFinished, let told = onFinished {
      onFinished = nil
      return told()
    }
    guard isAwaited, pending == nil, !link.isBlocked, credit > 0 else { return }
    isAwaited = false
    onReady?()
  }

  /// The stream is over: nothing is sent any more.
  func cancel() {
    // What is pending stays, for who asks for it back.
    isFinished = true
    finishes = true
    isCanceled = true
    (onReady, onFinished) = (nil, nil)
  }
}
