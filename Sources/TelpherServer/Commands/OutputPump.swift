internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// Carries one output of a command from its pipe to its stream: a read, a frame, a write, without a
/// copy. Without credit the pipe is not read; it fills, and the command waits.
final class OutputPump {
  /// Where an output is.
  private enum State {
    /// The pipe is open. Next: `sending`, `ended`.
    case reading
    /// The pipe has ended; what was read last, or the FIN, has not gone yet. Next: `ended`.
    case sending
    /// All of it has gone to a stream, or is dropped.
    case ended
  }

  let channel: Channel
  /// Bytes of this output that went to streams, from the command's start.
  var count: UInt64 { earlier + (outbound?.sentBytes ?? 0) }
  /// Whether it ended with the pipe still held by another process.
  private(set) var wasHeld = false

  private let pipe: any ByteStream
  private var state = State.reading
  private var outbound: OutboundChannel?
  /// Bytes that went to streams before the one that is attached.
  private var earlier: UInt64 = 0
  /// What was read and did not go before its stream was lost: the next one's first bytes.
  private var leftover: Chunk?
  /// Bytes that are still to be read before the end, once the drain is over.
  private var lastBytes: Int?
  private let didHold: (any ByteStream) -> Void
  private let didEnd: () -> Void

  /// - Parameters:
  ///   - didHold: is given the pipe if another process still holds it when the output ends, and
  ///     closes it later.
  ///   - didEnd: called once, when all of the output has gone to a stream, its FIN included, or was
  ///     dropped: a result that is sent then comes after all of it.
  init(
    channel: Channel, pipe: any ByteStream, didHold: @escaping (any ByteStream) -> Void,
    didEnd: @escaping () -> Void
  ) {
    self.channel = channel
    self.pipe = pipe
    self.didHold = didHold
    self.didEnd = didEnd
    pipe.onRead = { [unowned self] chunk in receive(chunk) }
    pipe.onEnd = { [unowned self] _ in endReading() }
  }

  /// Sends to `outbound` from now on.
  func attach(_ outbound: OutboundChannel) {
    self.outbound = outbound
    outbound.onReady = { [unowned self] in resume() }
    outbound.onFinished = { [unowned self] in end() }
    if let chunk = leftover {
      leftover = nil
      guard outbound.send(chunk) || state != .reading else { return }
    }
    if case .reading = state { resume() } else { outbound.finish() }
  }

  /// Stops reading until `attach`: the command waits once the pipe is full.
  func detach() {
    guard let outbound else { return }
    self.outbound = nil
    earlier += outbound.sentBytes
    leftover = outbound.takeBack()
    pipe.pauseReading()
  }

  /// No stream will follow for now: an output of which nothing is left has ended.
  func settle() {
    if outbound == nil, leftover == nil { end() }
  }

  /// The client wants no more of the output: who writes to it gets SIGPIPE.
  func stop() {
    _ = outbound?.takeBack()
    endReading()
  }

  /// Nobody will ever take the output: it ends at once, with what was read.
  func discard() {
    stop()
    leftover = nil
    end()
  }

  /// The drain is over: what the pipe holds at this moment is the last that is sent, however long
  /// the client takes to read it.
  func takeLastOutput() {
    guard case .reading = state, lastBytes == nil else { return }
    // Where nobody can write to it any more, it is only the client that is slow. Asked first: what
    // is written in between still counts.
    wasHeld = pipe.hasWriters
    lastBytes = pipe.unreadBytes
    if lastBytes == 0 { endReading() }
  }

  private func resume() {
    guard case .reading = state, let outbound, outbound.credit > 0 else { return }
    pipe.readLimit = min(outbound.credit, lastBytes ?? .max)
    pipe.resumeReading()
  }

  private func receive(_ chunk: Chunk) {
    guard let outbound else { return }
    let maySendMore = outbound.send(chunk)
    if let left = lastBytes {
      lastBytes = left - chunk.count
      if lastBytes == 0 { return endReading() }
    }
    if maySendMore {
      pipe.readLimit = min(outbound.credit, lastBytes ?? .max)
    } else {
      pipe.pauseReading()
    }
  }

  private func endReading() {
    guard case .reading = state else { return }
    state = .sending
    if wasHeld { didHold(pipe) } else { pipe.close() }
    outbound?.finish()
    settle()
  }

  private func end() {
    guard case .sending = state else { return }
    state = .ended
    didEnd()
  }
}
