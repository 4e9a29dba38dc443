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

  /// What NIO may read at a time: of a peer that is gone it reads whether it may or not.
  var wantedLimit: Int { readLimit > 0 ? readLimit : Int.max }

  /// Whether the owner may be called.
  private var isWanted: Bool { wantsReads && readLimit > 0 && !isClosed }

  /// Has NIO read or not, and tells what is held.
  func readingMayChange() {
    if isWanted && (!held.isEmpty || untoldEnd != nil) { deliverLater() }
    updateReading()
  }

  private func updateReading() {
    let reads = isWanted && held.isEmpty && !hasSeenEnd
    guard reads != isReading, let options else { return }
    isReading = reads
    callDepth += 1
    // Registers or not, as long as the channel is open.
    try? options.setOption(.autoRead, value: reads)
    callDepth -= 1
  }

  /// Takes what NIO has read.
  func receive(_ chunk: Chunk) {
    guard !isClosed else { return }
    if growsPipe && chunk.count >= Self.pipeSize { growPipe() }
    guard isWanted, callDepth == 0, !isDelivering, held.isEmpty, chunk.count <= readLimit else {
      held.append(chunk.compacted())
      if !isDelivering { deliverLater() }
      return
    }
    isDelivering = true
    onRead?(chunk)
    isDelivering = false
    if !held.isEmpty || untoldEnd != nil { deliverLater() }
  }

  /// Takes the end of the peer's bytes.
  func receiveEnd(_ error: TransportError?) {
    guard !hasSeenEnd else { return }
    hasSeenEnd = true
    isReading = false
    untoldEnd = .some(error)
    if callDepth == 0 && !isDelivering { deliver() } else { deliverLater() }
  }

  private func deliverLater() {
    loop.callLater { [self] in deliver() }
  }

  /// Tells what is held, a piece at a time, for as long as the owner wants it.
  private func deliver() {
    guard !isDelivering, !loop.isClosing else { return }
    isDelivering = true
    while isWanted, var first = held.first {
      let piece = first.removePrefix(min(first.count, readLimit))
      if first.isEmpty { held.removeFirst() } else { held[0] = first }
      onRead?(piece)
    }
    isDelivering = false
    if isWanted, held.isEmpty, let end = untoldEnd {
      untoldEnd = nil
      onEnd?(end)
    }
    if !isClosed { updateReading() }
  }

  // MARK: - The pipe

  /// The pipe that is read, while it is open.
  private var inputDescriptor: Int32? {
    if case .input(let descriptor) = carrier, isOpen { descriptor } else { nil }
  }

  /// The size of a pipe as the system makes it, pipe(7).
  private static let pipeSize = 64 * 1024
  /// The size for a bulk stream: fewer, larger turns.
  private static let bulkPipeSize: Int32 = 1 << 20

  /// Enlarges the pipe once a read brought as much as one holds.
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
