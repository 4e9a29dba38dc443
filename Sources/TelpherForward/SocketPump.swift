package import TelpherLink
package import TelpherTransport
package import TelpherWire

/// Connects a socket to a stream: what the socket brings is sent on one channel, and what arrives on
/// another channel is written to the socket. Both directions wait for each other's pace: without
/// credit the socket is not read, and the peer gets credit only for bytes that the socket has taken.
///
/// An end of the socket becomes a FIN, and a FIN ends the socket's writing side. If the socket
/// breaks, that is reported as an error, never as an end. Use it only on the link's loop.
package final class SocketPump {
  /// How the work of a pump ended.
  package enum End {
    /// Both directions have ended in order. The socket stays open until `close()` or `reset()`.
    case finished
    /// The socket broke, with its error. It is closed.
    case broken(TransportError)
  }

  /// Bytes that the stream has brought.
  package private(set) var receivedBytes: UInt64 = 0
  /// Bytes that the stream has sent.
  package var sentBytes: UInt64 { outbound.sentBytes }

  /// Whether the FINs of both directions were exchanged with the peer.
  package var hasExchangedEnds: Bool { isFinished || flow.hasExchangedEnds }

  private let link: Link
  private let stream: StreamID
  private let receiving: Channel
  private let outbound: OutboundChannel
  private let didEnd: (End) -> Void
  private var socket: (any ByteStream)?
  private var flow = SocketFlow()
  private var isFinished = false
  /// Bytes that wait for the socket. It gets one chunk at a time, so that the peer gets credit for
  /// each as soon as the socket has taken it.
  private var waiting = WaitingBytes()
  /// The length of the chunk that the socket has queued; 0 if it has none. Then `onWritable` follows.
  private var queued = 0

  /// A pump for an open stream, whose socket comes later.
  ///
  /// - Parameter didEnd: called once, unless `close()` or `reset()` is called before; never from
  ///   within a call of a method here, except from `attach`, `receive` and `receiveEnd`.
  package init(
    link: Link, stream: StreamID, sends sending: Channel, receives receiving: Channel,
    didEnd: @escaping (End) -> Void
  ) {
    self.link = link
    self.stream = stream
    self.receiving = receiving
    self.didEnd = didEnd
    outbound = link.outbound(stream, sending)
    outbound.onReady = { [unowned self] in read() }
    outbound.onFinished = { [unowned self] in perform(flow.didSendEnd()) }
    link.openInput(stream, receiving)
  }

  // MARK: The socket

  /// Begins to move bytes. The pump owns the socket from now on; if this process dies, or the pump
  /// is reset, a TCP peer sees a reset.
  package func attach(_ socket: any ByteStream) {
    guard !flow.isOver else { return socket.close() }
    self.socket = socket
    socket.setResetsOnClose(true)
    socket.onRead = { [unowned self] chunk in didRead(chunk) }
    socket.onEnd = { [unowned self] error in didEndReading(error) }
    socket.onWritable = { [unowned self] in didBecomeWritable() }
    socket.onWriteFailure = { [unowned self] error in breakOff(error) }
    write()
    perform(flow.didOpen())
    read()
  }

  private func read() {
    guard flow.reads, let socket else { return }
    let credit = outbound.awaitCredit()
    guard credit > 0 else { return socket.pauseReading() }
    socket.readLimit = credit
    socket.resumeReading()
  }

  private func didRead(_ chunk: Chunk) {
    guard let socket else { return }
    if outbound.send(chunk) {
      socket.readLimit = outbound.credit
    } else {
      socket.pauseReading()
    }
  }

  private func didEndReading(_ error: TransportError?) {
    if let error { return breakOff(error) }
    flow.didReadEnd()
    outbound.finish()
  }

  private func didBecomeWritable() {
    let count = queued
    queued = 0
    giveCredit(count)
    write()
    if flow.isEnding { endWriting() }
  }

  private func breakOff(_ error: TransportError) {
    guard flow.giveUp() else { return }
    closeSocket(resets: true)
    didEnd(.broken(error))
  }

  // MARK: The stream

  /// Writes bytes of the stream to the socket, or keeps them for it. Drops those of another channel.
  package func receive(_ chunk: Chunk, on channel: Channel) {
    guard channel == receiving else { return link.consume(stream, channel, chunk.count) }
    receivedBytes += UInt64(chunk.count)
    guard flow.takesBytes else { return link.consume(stream, receiving, chunk.count) }
    // The common case: nothing waits, and no copy is needed.
    if let socket, queued == 0, waiting.isEmpty { return write(chunk, to: socket) }
    waiting.append(chunk)
  }

  /// Handles the FIN of a channel of the stream.
  package func receiveEnd(of channel: Channel) {
    if channel == receiving { perform(flow.receiveEnd()) }
  }

  /// Writes what waits, until the socket takes no more.
  private func write() {
    guard let socket else { return }
    while queued == 0, let chunk = waiting.next() { write(chunk, to: socket) }
  }

  private func write(_ chunk: Chunk, to socket: any ByteStream) {
    if socket.write(UnsafeRawBufferPointer(start: nil, count: 0), chunk) {
      giveCredit(chunk.count)
    } else {
      queued = chunk.count
    }
  }

  /// Gives the peer credit for bytes that the socket has taken.
  private func giveCredit(_ count: Int) {
    if receivedBytes >= link.window(of: stream, receiving) { link.growInput(stream, receiving) }
    link.consume(stream, receiving, count)
  }

  // MARK: The end

  private func perform(_ action: SocketFlow.Action) {
    switch action {
    case .none: break
    case .endWriting: endWriting()
    case .finish:
      isFinished = true
      didEnd(.finished)
    }
  }

  /// Ends the socket's writing side once the system has taken all bytes, and not before: if this
  /// process died in between, the peer would see an end after a part. From then on the system
  /// delivers the end by itself, so the socket must not be reset any more. A backend may close it
  /// when both of its directions have ended.
  private func endWriting() {
    guard queued == 0, waiting.isEmpty, let socket else { return }
    socket.setResetsOnClose(false)
    socket.finishWriting()
    perform(flow.didWriteAll())
  }

  /// Closes the socket in order. Its peer has got all bytes and both ends.
  package func close() {
    _ = flow.giveUp()
    closeSocket(resets: false)
  }

  /// Gives the socket up: a TCP peer sees a reset, so that it takes no part for the whole. `didEnd`
  /// is not called any more.
  package func reset() {
    _ = flow.giveUp()
    closeSocket(resets: true)
  }

  private func closeSocket(resets: Bool) {
    guard let socket else { return }
    self.socket = nil
    waiting.removeAll()
    socket.setResetsOnClose(resets)
    socket.close()
  }
}
