package import TelpherTransport
package import TelpherWire

/// Passes one direction of one channel on, from the stream of one link to that of another. Its
/// source gets new credit only for bytes that the target has accepted, so a slow target makes the
/// source wait.
package final class ChannelPasser {
  /// What the target can take.
  private enum State {
    /// A chunk now. Next: `waiting`, `finishing`, `gone`.
    case ready
    /// A chunk after its `onReady`. Next: `ready`, `finishing`, `gone`.
    case waiting
    /// Nothing: it sends the rest and the channel's end. Next: `finished`, `gone`.
    case finishing
    /// Nothing: it has sent the channel's end. Next: `gone`.
    case finished
    /// Nothing: it has ended early, and what arrives is dropped. Final.
    case gone
  }

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
  private var state = State.ready
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
      if state == .waiting { state = .ready }
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
      if state == .finishing { state = .finished }
      returnCredit()
      if isDrained { didDrain() }
    }
  }

  /// Whether everything that has arrived was sent to the target, with the end if that has arrived.
  package var isDrained: Bool {
    state == .gone
      || target.sentBytes == received && (state == .finished) == waiting.isFinished
  }

  /// Bytes have arrived from the source.
  package func receive(_ chunk: Chunk) {
    received += UInt64(chunk.count)
    guard state != .gone else { return returnCredit() }
    waiting.append(chunk)
    pass()
  }

  /// The channel's end has arrived from the source.
  package func finish() {
    waiting.finish()
    if state != .gone { pass() }
  }

  /// Drops what waits and what still arrives, because the target is gone.
  package func drop() {
    state = .gone
    waiting.removeAll()
    returnCredit()
  }

  private func pass() {
    while state == .ready, let chunk = waiting.next() {
      if !target.send(chunk) { state = .waiting }
    }
    if state == .ready || state == .waiting, waiting.isEmpty, waiting.isFinished {
      state = .finishing
      target.finish()
    }
    returnCredit()
  }

  private func returnCredit() {
    let taken = state == .gone ? received : target.sentBytes
    let count = taken - returned
    returned = taken
    // The other side takes its own first window and what fits into a pipe, even if nothing reads.
    if isInput, returned >= 2 * source.window(of: stream, channel) {
      source.growInput(stream, channel)
    }
    source.consume(stream, channel, Int(count))
  }
}
