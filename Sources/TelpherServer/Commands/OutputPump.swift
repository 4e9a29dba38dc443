internal import TelpherTransport
internal import TelpherWire

/// Sends one output of a command from its pipe to its stream: each read becomes one frame and one
/// write, without a copy. Without credit the pump does not read; the pipe fills, and the command
/// waits.
final class OutputPump {
  /// The states of an output.
  private enum State {
    /// The pipe is open. Next: `sending`, `ended`.
    case reading
    /// The pipe has ended; the last bytes or the FIN have not been sent yet. Next: `ended`.
    case sending
    /// All bytes and the FIN have been sent, or were dropped. Next: nothing.
    case ended
  }

  let channel: Channel
  /// Bytes of this output that were sent to streams since the command's start.
  var count: UInt64 { earlier + (outbound?.sentBytes ?? 0) }
  /// Whether the output ended while another process still held the pipe.
  private(set) var wasHeld = false

  private let pipe: any ByteStream
  private var state = State.reading
  private var outbound: (any OutputSink)?
  /// Bytes that were sent to earlier streams.
  private var earlier: UInt64 = 0
  /// Bytes that were read but not sent before the stream was detached; the next stream gets them
  /// first.
  private var leftover: Chunk?
  /// Bytes still to be read after the drain is over; nil before that.
  private var lastBytes: Int?
  private unowned let delegate: any OutputPumpDelegate

  /// - Parameter delegate: owns the pump.
  init(channel: Channel, pipe: any ByteStream, delegate: any OutputPumpDelegate) {
    self.channel = channel
    self.pipe = pipe
    self.delegate = delegate
    pipe.onRead = { [unowned self] chunk in receive(chunk) }
    pipe.onEnd = { [unowned self] _ in endReading() }
  }

  /// Connects the output to `outbound`. An output that has ended only sends its FIN; another one
  /// waits for `proceed()`.
  func attach(_ outbound: any OutputSink) {
    self.outbound = outbound
    if state == .ended { return outbound.finish() }
    // A closure that captures only a counted reference needs no memory of its own. `letGo` breaks
    // the cycle.
    outbound.onReady = { [self] in resume() }
    outbound.onFinished = { [self] in end() }
  }

  /// Sends to the sink that was attached, from now on. The output, and with it the command, may end
  /// within this call: call it after all outputs are attached.
  func proceed() {
    guard let outbound, state != .ended else { return }
    if let chunk = leftover {
      leftover = nil
      guard outbound.send(chunk) || state != .reading else { return }
    }
    if case .reading = state { resume() } else { outbound.finish() }
  }

  /// Stops reading until `proceed` is called; the command waits when the pipe is full.
  func detach() {
    guard let outbound else { return }
    self.outbound = nil
    letGo(of: outbound)
    earlier += outbound.sentBytes
    leftover = outbound.takeBack()
    pipe.pauseReading()
  }

  /// Without a stream, ends an output whose pipe has ended and of which nothing is left to send.
  func settle() {
    if outbound == nil, leftover == nil { end() }
  }

  /// Ends the output because the client does not want more of it. A process that writes to it then
  /// gets SIGPIPE.
  func stop() {
    _ = outbound?.takeBack()
    endReading()
  }

  /// Ends the output at once and drops its unsent bytes: no client will read it.
  func discard() {
    stop()
    leftover = nil
    end()
  }

  /// Ends the output after the bytes that the pipe holds at this moment, however long the client
  /// takes to read them. Called when the drain is over.
  func takeLastOutput() {
    guard case .reading = state, lastBytes == nil else { return }
    // Without writers only the client is slow, and the pipe is not held. Ask for writers before
    // counting, so that the count includes bytes written between the two calls.
    wasHeld = pipe.hasWriters
    lastBytes = pipe.unreadBytes
    if lastBytes == 0 { endReading() }
  }

  private func resume() {
    guard case .reading = state, let outbound else { return }
    let credit = outbound.awaitCredit()
    guard credit > 0 else { return }
    pipe.readLimit = min(credit, lastBytes ?? .max)
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
    // A process of another command holds a copy of the pipe between fork and exec, so ask again. Bytes
    // that came after the count are not sent, so the pipe counts as held if there are any.
    wasHeld = wasHeld && (pipe.hasWriters || pipe.unreadBytes > 0)
    if wasHeld { delegate.outputWasHeld(pipe) } else { pipe.close() }
    outbound?.finish()
    settle()
  }

  private func end() {
    guard case .sending = state else { return }
    state = .ended
    if let outbound { letGo(of: outbound) }
    delegate.outputDidEnd()
  }

  /// Removes the callbacks by which `outbound` holds this pump: after its end, and from a sink that
  /// is detached.
  private func letGo(of outbound: any OutputSink) {
    (outbound.onReady, outbound.onFinished) = (nil, nil)
  }
}

/// Owns the pumps of a command's outputs. All calls come on the loop's thread.
protocol OutputPumpDelegate: AnyObject {
  /// An output ends while another process still holds `pipe`, which now belongs to the delegate.
  func outputWasHeld(_ pipe: any ByteStream)

  /// All of an output, FIN included, was sent or dropped. A result that is sent now arrives after
  /// all of the output. Called once for each output.
  func outputDidEnd()
}
