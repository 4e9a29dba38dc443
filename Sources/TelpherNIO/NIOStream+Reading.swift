internal import CTelpherSys
internal import NIOCore
internal import TelpherTransport

extension NIOStream {
  func resumeReading() {
    loop.preconditionIsCurrent()
    guard !isClosed else { return }
    input.resume()
    readingMayChange()
  }

  func pauseReading() {
    loop.preconditionIsCurrent()
    input.pause()
    updateReading()
  }

  /// The most bytes that NIO may read at a time. There is no limit while the owner accepts none: if
  /// the peer is gone, NIO reads in any case.
  var wantedLimit: Int { readLimit > 0 ? readLimit : Int.max }

  /// Starts or stops reading in NIO, and schedules the delivery of held data.
  func readingMayChange() {
    if input.hasWork { deliverLater() }
    updateReading()
  }

  private func updateReading() {
    guard let options = channel.options, let reads = input.changeOfReading() else { return }
    channel.beginCall()
    // This can only fail if the channel is closed.
    try? options.setOption(.autoRead, value: reads)
    channel.endCall()
  }

  /// Handles a chunk that NIO has read.
  func receive(_ chunk: Chunk) {
    guard !isClosed else { return }
    if growsPipe && chunk.count >= Self.pipeSize { growPipe() }
    guard case .deliver(let chunk) = follow(input.receive(chunk, isInCall: channel.isInCall)) else {
      return
    }
    onRead?(chunk)
    follow(input.didDeliver())
  }

  /// Handles the end of the peer's bytes.
  func receiveEnd(_ error: TransportError?) {
    follow(input.receiveEnd(error, isInCall: channel.isInCall))
  }

  /// Starts the delivery of what is held, if `arrival` asks for it.
  @discardableResult
  private func follow(_ arrival: StreamInput.Arrival) -> StreamInput.Arrival {
    switch arrival {
    case .wait, .deliver: break
    case .deliverHeld: deliver()
    case .deliverLater: deliverLater()
    }
    return arrival
  }

  private func deliverLater() {
    loop.callLater { [self] in deliver() }
  }

  /// Delivers held data, one piece at a time, while the owner accepts it.
  private func deliver() {
    guard !loop.isClosing, input.beginDelivery() else { return }
    while let piece = input.nextPiece() { onRead?(piece) }
    if case .end(let error) = input.finishDelivery() { onEnd?(error) }
    if !isClosed { updateReading() }
  }

  // MARK: - The pipe

  /// The descriptor of the pipe to read from, while it is open.
  private var inputDescriptor: Int32? {
    if case .input(let descriptor) = carrier, channel.isOpen { descriptor } else { nil }
  }

  /// The default size of a pipe in bytes, pipe(7).
  private static let pipeSize = 64 * 1024
  /// The size in bytes of a pipe that carries much data: fewer and larger reads.
  private static let bulkPipeSize: Int32 = 1 << 20

  /// Enlarges the pipe after a read that brought as many bytes as a default pipe holds.
  private func growPipe() {
    growsPipe = false
    if let inputDescriptor { _ = telpher_set_pipe_size(inputDescriptor, Self.bulkPipeSize) }
  }

  var unreadBytes: Int {
    loop.preconditionIsCurrent()
    let held = input.heldBytes
    guard let descriptor = inputDescriptor ?? channel.socketDescriptor else { return held }
    return held + max(0, Int(telpher_unread_bytes(descriptor)))
  }

  var hasWriters: Bool {
    loop.preconditionIsCurrent()
    guard !input.hasSeenEnd, !isClosed else { return false }
    guard let inputDescriptor else { return true }
    return telpher_has_hung_up(inputDescriptor) == 0
  }
}
