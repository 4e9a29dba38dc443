internal import CTelpherSys
internal import NIOCore
internal import TelpherTransport

extension NIOStream {
  func resumeReading() {
    loop.preconditionIsCurrent()
    wantsReads = true
    readingMayChange()
  }

  func pauseReading() {
    loop.preconditionIsCurrent()
    wantsReads = false
    updateReading()
  }

  /// The most bytes that NIO may read at a time. There is no limit while the owner accepts none: if
  /// the peer is gone, NIO reads in any case.
  var wantedLimit: Int { readLimit > 0 ? readLimit : Int.max }

  /// Whether `onRead` and `onEnd` may be called.
  private var canDeliver: Bool { wantsReads && readLimit > 0 && !isClosed }

  /// Starts or stops reading in NIO, and schedules the delivery of held data.
  func readingMayChange() {
    if canDeliver && (!held.isEmpty || undeliveredEnd != nil) { deliverLater() }
    updateReading()
  }

  private func updateReading() {
    let reads = canDeliver && held.isEmpty && !hasSeenEnd
    guard reads != isReading, let options else { return }
    isReading = reads
    callDepth += 1
    // This can only fail if the channel is closed.
    try? options.setOption(.autoRead, value: reads)
    callDepth -= 1
  }

  /// Handles a chunk that NIO has read.
  func receive(_ chunk: Chunk) {
    guard !isClosed else { return }
    if growsPipe && chunk.count >= Self.pipeSize { growPipe() }
    guard canDeliver, callDepth == 0, !isDelivering, held.isEmpty, chunk.count <= readLimit else {
      held.append(chunk.compacted())
      if !isDelivering { deliverLater() }
      return
    }
    isDelivering = true
    onRead?(chunk)
    isDelivering = false
    if !held.isEmpty || undeliveredEnd != nil { deliverLater() }
  }

  /// Handles the end of the peer's bytes.
  func receiveEnd(_ error: TransportError?) {
    guard !hasSeenEnd else { return }
    hasSeenEnd = true
    isReading = false
    undeliveredEnd = .some(error)
    if callDepth == 0 && !isDelivering { deliver() } else { deliverLater() }
  }

  private func deliverLater() {
    loop.callLater { [self] in deliver() }
  }

  /// Delivers held data, one piece at a time, while the owner accepts it.
  private func deliver() {
    guard !isDelivering, !loop.isClosing else { return }
    isDelivering = true
    while canDeliver, var first = held.first {
      let piece = first.removePrefix(min(first.count, readLimit))
      if first.isEmpty { held.removeFirst() } else { held[0] = first }
      onRead?(piece)
    }
    isDelivering = false
    if canDeliver, held.isEmpty, let end = undeliveredEnd {
      undeliveredEnd = nil
      onEnd?(end)
    }
    if !isClosed { updateReading() }
  }

  // MARK: - The pipe

  /// The descriptor of the pipe to read from, while it is open.
  private var inputDescriptor: Int32? {
    if case .input(let descriptor) = carrier, isOpen { descriptor } else { nil }
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
    let held = held.reduce(0) { $0 + $1.count }
    guard let descriptor = inputDescriptor ?? socketDescriptor else { return held }
    return held + max(0, Int(telpher_unread_bytes(descriptor)))
  }

  var hasWriters: Bool {
    loop.preconditionIsCurrent()
    guard !hasSeenEnd, !isClosed else { return false }
    guard let inputDescriptor else { return true }
    return telpher_has_hung_up(inputDescriptor) == 0
  }
}
