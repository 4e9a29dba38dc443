package import TelpherTransport
package import TelpherWire

/// The sending side of one channel of one stream. It holds at most one chunk that could not be sent
/// yet. A producer stops when `send` returns false and continues at `onReady`. This is the only
/// backpressure: a slow reader stops its producer, and nothing is queued in between.
///
/// Created by `Link.outbound`; use it only on the link's loop.
package final class OutboundChannel {
  private enum State {
    /// The producer may send. Next: `finishing` or `canceled`.
    case open
    /// The producer has ended, and the FIN was not sent. Next: `finished` or `canceled`.
    case finishing
    /// The FIN was sent. Next: `canceled`.
    case finished
    /// The stream or the connection has ended. Final.
    case canceled
  }

  /// The stream that the channel belongs to.
  package let stream: StreamID
  /// The channel that it sends on.
  package let channel: Channel
  /// Bytes sent so far.
  #if !DEBUG
    @exclusivity(unchecked)  // Every frame changes it; nothing else runs while it changes.
  #endif
  package private(set) var sentBytes: UInt64 = 0
  /// Called when more may be sent after `send` returned false.
  package var onReady: (() -> Void)?
  /// Called when all bytes that were passed to `send` have been sent, after it returned false. It may
  /// be called again without further bytes.
  package var onSent: (() -> Void)?
  /// Called once after `finish()` has sent the FIN. It may be called from within `finish()`.
  package var onFinished: (() -> Void)?

  #if !DEBUG
    @exclusivity(unchecked)  // Every frame uses it; nothing else runs while it changes.
  #endif
  private(set) var pending: Chunk?
  private var state = State.open
  /// Whether it is in the link's queue.
  var isQueued = false
  /// Whether its producer waits for `onReady`.
  private(set) var isAwaited = false
  /// The link, without a reference count, which every frame would change. It is valid until
  /// `cancel()`, which the link calls for each of its channels before it is released.
  private unowned(unsafe) let uncountedLink: Link
  private var link: Link {
    assert(state != .canceled, "a canceled channel does not use its link, which may be gone")
    return uncountedLink
  }

  init(link: Link, stream: StreamID, channel: Channel) {
    uncountedLink = link
    self.stream = stream
    self.channel = channel
  }

  /// The number of bytes that can be sent at once, without being held back; 0 if the stream has
  /// ended.
  package var credit: Int {
    pending == nil && state == .open ? link.session.sendable(stream, channel) : 0
  }

  /// The same as `credit`; if it is 0, `onReady` follows once there is credit. For a producer that
  /// has nothing to send yet and wants to know how much it may bring.
  package func awaitCredit() -> Int {
    let credit = credit
    if credit == 0, pending == nil, state == .open {
      isAwaited = true
      link.enqueueIfNeeded(self)
    }
    return credit
  }

  /// Sends as much of `chunk` as credit and the connection allow, and keeps the rest. The producer
  /// may call it after the end of the stream or the connection, which it may not know yet.
  ///
  /// - Returns: true if more may be sent at once. If false, `onReady` follows, or the stream or the
  ///   connection has ended: then nothing is sent any more, and `takeBack()` returns the chunk.
  package func send(_ chunk: Chunk) -> Bool {
    if state == .canceled {
      pending = pending ?? chunk
      return false
    }
    precondition(pending == nil && state == .open, "a producer waits for onReady, and ends once")
    guard !chunk.isEmpty else { return true }
    if let credit = link.sendSmall(chunk, on: self) {
      sentBytes += UInt64(chunk.count)
      isAwaited = credit == 0
      if isAwaited { link.enqueueIfNeeded(self) }
      return !isAwaited
    }
    pending = chunk
    link.submit(self)
    isAwaited = pending != nil || !link.state.mayWrite || credit == 0
    if isAwaited { link.enqueueIfNeeded(self) }
    return !isAwaited
  }

  /// Ends the channel after the bytes that were passed to `send`.
  package func finish() {
    guard state == .open else { return }
    state = .finishing
    link.submit(self)
    wake()
  }

  /// Removes and returns the bytes that were passed to `send` and not sent yet. The channel does
  /// not send them.
  package func takeBack() -> Chunk? {
    defer { pending = nil }
    return pending
  }

  /// Whether there is anything left to do.
  var hasWork: Bool {
    switch state {
    case .open, .finished: pending != nil
    case .finishing: true
    case .canceled: false
    }
  }

  /// Removes the next `count` bytes to be sent. `fin` is true if they are the last ones and the
  /// channel ends.
  func take(_ count: Int) -> (chunk: Chunk?, fin: Bool) {
    var chunk: Chunk?
    if count > 0 {
      chunk = pending?.removePrefix(count)
      sentBytes += UInt64(count)
    }
    if pending?.isEmpty == true { pending = nil }
    let fin = state == .finishing && pending == nil
    if fin { state = .finished }
    return (chunk, fin)
  }

  /// Calls `onReady`, `onSent` or `onFinished` if it is due.
  func wake() {
    if state == .finished, let onFinished {
      self.onFinished = nil
      return onFinished()
    }
    if pending == nil { onSent?() }
    guard isAwaited, pending == nil, state != .canceled, link.state.mayWrite, credit > 0 else {
      return
    }
    isAwaited = false
    onReady?()
  }

  /// Ends sending because the stream has ended.
  func cancel() {
    // `pending` stays, for `takeBack()`.
    state = .canceled
    (onReady, onSent, onFinished) = (nil, nil, nil)
  }
}
