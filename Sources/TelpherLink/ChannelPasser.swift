package import TelpherTransport
package import TelpherWire

/// Passes one direction of one channel on, from the stream of one link to that of another. Its
/// source gets new credit only for bytes that the target has accepted, so a slow target makes the
/// source wait.
package final class ChannelPasser {
  private let source: Link
  private let stream: StreamID
  private let channel: Channel
  private let target: OutboundChannel
  /// Whether these are bytes that nothing may read, so that the source's window grows only if they
  /// are read.
  private let isInput: Bool

  private var waiting = WaitingBytes()
  /// The bytes that have arrived.
  private var received: UInt64 = 0
  /// The bytes that the source has got credit for.
  private var returned: UInt64 = 0
  /// Whether the target takes a chunk now.
  private var isReady = true
  /// Whether the channel's end was passed to the target.
  private var hasFinished = false
  /// Whether the target has sent the channel's end.
  private var hasSentEnd = false
  /// Whether the target is gone.
  private var isDropping = false
  /// Called when everything that has arrived was sent.
  private let didDrain: () -> Void

  /// - Parameters:
  ///   - source: the link that `stream` belongs to.
  ///   - target: the sending side of the channel on the other link.
  package init(
    from source: Link, _ stream: StreamID, _ channel: Channel, to target: OutboundChannel,
    isInput: Bool, didDrain: @escaping () -> Void
  ) {
    self.source = source
    self.stream = stream
    self.channel = channel
    self.target = target
    self.isInput = isInput
    self.didDrain = didDrain
    // The end of the stream, which these may cause, frees this object.
    target.onReady = { [weak self] in
      guard let self else { return }
      isReady = true
      pass()
      if isDrained { didDrain() }
    }
    // The target may have sent everything and have no credit left for more.
    target.onSent = { [weak self] in
      guard let self else { return }
      returnCredit()
      if isDrained { didDrain() }
    }
    target.onFinished = { [weak self] in
      guard let self else { return }
      hasSentEnd = true
      returnCredit()
      if isDrained { didDrain() }
    }
  }

  /// Whether everything that has arrived was sent to the target, with the end if that has arrived.
  package var isDrained: Bool {
    isDropping || (target.sentBytes == received && hasSentEnd == waiting.isFinished)
  }

  /// Bytes have arrived from the source.
  package func receive(_ chunk: Chunk) {
    received += UInt64(chunk.count)
    guard !isDropping else { return returnCredit() }
    waiting.append(chunk)
    pass()
  }

  /// The channel's end has arrived from the source.
  package func finish() {
    waiting.finish()
    if !isDropping { pass() }
  }

  /// Drops what waits and what still arrives, because the target is gone.
  package func drop() {
    isDropping = true
    waiting.removeAll()
    returnCredit()
  }

  private func pass() {
    while isReady, let chunk = waiting.next() { isReady = target.send(chunk) }
    if waiting.isEmpty, waiting.isFinished, !hasFinished {
      hasFinished = true
      target.finish()
    }
    returnCredit()
  }

  private func returnCredit() {
    let taken = isDropping ? received : target.sentBytes
    let count = taken - returned
    returned = taken
    // The other side takes its own first window and what fits into a pipe, even if nothing reads.
    if isInput, returned >= 2 * source.window(of: stream, channel) {
      source.growInput(stream, channel)
    }
    source.consume(stream, channel, Int(count))
  }
}
