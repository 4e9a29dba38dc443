internal import CLibUV
internal import CTelpherSys
internal import TelpherSystem
internal import TelpherTransport

/// A byte stream over libuv's streams: a TCP or Unix socket, an end of a pipe, a terminal, or a pair
/// of these of which one is read and one is written.
final class UVStream: ByteStream, HandleOwner {
  /// What carries the bytes.
  enum Handles {
    /// One handle, both ways: its writing side ends by shutdown(2).
    case duplex(UnsafeMutablePointer<uv_stream_t>)
    /// A handle for each way, or for one of them: the writing side ends when its handle is closed.
    case separate(
      input: UnsafeMutablePointer<uv_stream_t>?, output: UnsafeMutablePointer<uv_stream_t>?)
  }

  let loop: UVLoop
  var peer: PeerIdentity

  var onRead: ((Chunk) -> Void)?
  var onEnd: ((TransportError?) -> Void)?
  var onWritable: (() -> Void)?
  var onWriteFailure: ((TransportError) -> Void)?

  var readLimit = Int.max {
    didSet { if (readLimit > 0) != (oldValue > 0) { updateReading() } }
  }

  /// The handle that is read from; nil for a stream that only writes, and once closed.
  private var input: UnsafeMutablePointer<uv_stream_t>?
  /// The handle that is written to; nil for a stream that only reads, and once that side is closed.
  var output: UnsafeMutablePointer<uv_stream_t>?
  /// Whether `input` and `output` are the same.
  let isDuplex: Bool
  /// O_NONBLOCK was set on these: descriptions that others share.
  var adopted: [AdoptedDescriptor] = []

  private var wantsReads = false
  /// The bytes that were read in turn `turn` of the loop.
  private var readInTurn = 0
  private var turn: UInt64 = 0
  private var isReading = false
  private var hasEnded = false
  /// Whether a full read asks for a larger pipe (see `growPipe`).
  private var growsPipe: Bool

  /// Writes that libuv has not called back for.
  var writesUnderWay = 0
  /// Whether a `write` returned false and `onWritable` has not followed yet.
  var owesWritable = false
  /// Whether writing has failed for good.
  var hasFailed = false
  /// Whether `finishWriting` was called.
  var isFinished = false
  /// Whether `close` was called.
  private(set) var isClosed = false

  /// A stream that owns `handles` from now on.
  ///
  /// - Parameter growsPipe: whether it reads a pipe to be enlarged when much comes through it.
  init(loop: UVLoop, handles: Handles, peer: PeerIdentity, growsPipe: Bool = false) {
    self.loop = loop
    self.peer = peer
    self.growsPipe = growsPipe
    switch handles {
    case .duplex(let handle):
      (input, output, isDuplex) = (handle, handle, true)
      Handle.give(handle, to: self)
    case .separate(let input, let output):
      (self.input, self.output, isDuplex) = (input, output, false)
      if let input { Handle.give(input, to: self) }
      if let output { Handle.give(output, to: self) }
    }
  }

  // MARK: - Reading

  func resumeReading() {
    loop.preconditionIsCurrent()
    wantsReads = true
    updateReading()
  }

  func pauseReading() {
    loop.preconditionIsCurrent()
    wantsReads = false
    updateReading()
  }

  private func updateReading() {
    guard let input, !hasEnded else { return }
    let reads = wantsReads && readLimit > 0
    guard reads != isReading else { return }
    isReading = reads
    guard reads else {
      uv_read_stop(input)
      return
    }
    let status = uv_read_start(input, streamNeedsMemory, streamDidRead)
    if status != 0 {
      hasEnded = true
      loop.callLater { [self] in
        if !isClosed { onEnd?(UVStatus(status).error("read from \(peer)")) }
      }
    }
  }

  fileprivate func provideMemory(_ buffer: UnsafeMutablePointer<uv_buf_t>) {
    // libuv goes on as long as reads fill their memory. Without any it leaves the rest to the next
    // turn, at no cost: to stop and to start reading would be two system calls.
    if hasReadItsShare { return tuv_read_into(buffer, nil, 0) }
    let memory = loop.readBuffer.prepare(limit: min(readLimit, loop.share.size))
    tuv_read_into(buffer, memory.baseAddress, memory.count)
  }

  fileprivate func didRead(_ count: Int) {
    if count > 0 {
      let chunk = loop.readBuffer.didFill(count)
      takeTurn(count)
      if growsPipe && count >= Self.pipeSize { growPipe() }
      onRead?(chunk)
    } else if count < 0, count != Int(UV_ENOBUFS.rawValue) || !hasReadItsShare {
      endReading(UVStatus(Int32(count)))
    }
  }

  /// Counts what was read.
  private func takeTurn(_ count: Int) {
    if turn != loop.share.turn {
      turn = loop.share.turn
      readInTurn = 0
    }
    readInTurn += count
    if hasReadItsShare { loop.share.didUseUp() }
  }

  /// Whether the rest of this turn is others'.
  private var hasReadItsShare: Bool {
    turn == loop.share.turn && readInTurn >= loop.share.size
  }

  private func endReading(_ status: UVStatus) {
    if let input { uv_read_stop(input) }
    hasEnded = true
    isReading = false
    onEnd?(status.code == UV_EOF.rawValue ? nil : status.error("read from \(peer)"))
  }

  /// The size of a pipe as the system makes it, pipe(7).
  private static let pipeSize = 64 * 1024
  /// The size for a bulk stream: fewer, larger turns (docs/architecture.md, "Figures").
  private static let bulkPipeSize: Int32 = 1 << 20

  /// Enlarges the pipe once a read brought as much as one holds. A cheap command never gets here
  /// and need not pay for it. Where the user's share of pipe memory is used up it stays as it is.
  private func growPipe() {
    growsPipe = false
    if let input { _ = telpher_set_pipe_size(Handle.descriptor(of: input), Self.bulkPipeSize) }
  }

  var unreadBytes: Int {
    loop.preconditionIsCurrent()
    guard let input, !hasEnded else { return 0 }
    return max(0, Int(telpher_unread_bytes(Handle.descriptor(of: input))))
  }

  var hasWriters: Bool {
    loop.preconditionIsCurrent()
    guard let input, !hasEnded else { return false }
    return telpher_has_hung_up(Handle.descriptor(of: input)) == 0
  }

  func isAcknowledged(within nanoseconds: UInt64) -> Bool {
    loop.preconditionIsCurrent()
    guard let input, !hasEnded else { return true }
    let silence = telpher_unacknowledged_for(Handle.descriptor(of: input))
    return silence < 0 || UInt64(silence) * 1_000_000 < nanoseconds
  }

  // MARK: - The end

  func close() {
    loop.preconditionIsCurrent()
    guard !isClosed else { return }
    isClosed = true
    (onRead, onEnd, onWritable, onWriteFailure) = (nil, nil, nil, nil)
    restoreFlags(of: { _ in true })
    if !isDuplex, let output { Handle.close(output) }
    if let input { Handle.close(input) }
    (input, output) = (nil, nil)
  }

  /// Closes the handle that is written to, of two.
  func closeOutput() {
    guard let output, !isDuplex else { return }
    let descriptor = Handle.descriptor(of: output)
    restoreFlags(of: { $0 == descriptor })
    self.output = nil
    Handle.close(output)
    // Of a stream that only writes nothing is left that could call back: let go of the closures.
    if input == nil { loop.callLater { [self] in close() } }
  }

  private func restoreFlags(of isMeant: (Int32) -> Bool) {
    for adopted in adopted where isMeant(adopted.descriptor) { adopted.restoreFlags() }
    adopted.removeAll { isMeant($0.descriptor) }
  }
}

private func streamNeedsMemory(
  _ handle: UnsafeMutablePointer<uv_handle_t>?, _: Int, _ buffer: UnsafeMutablePointer<uv_buf_t>?
) {
  Handle.owner(of: handle, as: UVStream.self).provideMemory(buffer!)
}

private func streamDidRead(
  _ handle: UnsafeMutablePointer<uv_stream_t>?, _ count: Int, _: UnsafePointer<uv_buf_t>?
) {
  Handle.owner(of: handle, as: UVStream.self).didRead(count)
}
