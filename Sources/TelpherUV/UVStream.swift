internal import CLibUV
internal import CTelpherSys
internal import TelpherSockets
internal import TelpherTransport

/// A byte stream over libuv's streams: a TCP or Unix socket, one end of a pipe, a terminal, or a
/// pair of these, one for reading and one for writing.
final class UVStream: UVReader, HandleOwner {
  /// The libuv handles that carry the bytes.
  enum Handles {
    /// One handle for reading and writing. shutdown(2) ends its writing side.
    case duplex(UnsafeMutablePointer<uv_stream_t>)
    /// One handle for each direction, or for only one direction. Closing its handle ends the
    /// writing side.
    case separate(
      input: UnsafeMutablePointer<uv_stream_t>?, output: UnsafeMutablePointer<uv_stream_t>?)
  }

  let loop: UVLoop
  var peer: PeerIdentity

  var onRead: ((Chunk) -> Void)?
  var onEnd: ((TransportError?) -> Void)?
  var onWritable: (() -> Void)?
  var onWriteFailure: ((TransportError) -> Void)?

  var demand = ReadDemand() {
    didSet { if demand.mayRead != oldValue.mayRead { updateReading() } }
  }

  /// The handle to read from. Nil for a stream that only writes, and after `close`.
  private var input: UnsafeMutablePointer<uv_stream_t>?
  /// The handle to write to. Nil for a stream that only reads, and after the writing side was
  /// closed.
  var output: UnsafeMutablePointer<uv_stream_t>?
  /// Whether `input` and `output` are the same handle.
  let isDuplex: Bool
  /// Descriptors whose O_NONBLOCK flag was changed and is shared with other processes. The flag is
  /// restored when they close.
  var adopted: [AdoptedDescriptor] = []

  /// How many bytes were read in turn `turn` of the loop.
  private var readInTurn = 0
  private var turn: UInt64 = 0
  private var isReading = false
  private var hasEnded = false
  /// Whether the pipe is to be enlarged after a full read (see `growPipe`).
  private var growsPipe: Bool

  /// How many queued writes libuv has not called back for.
  var writesUnderWay = 0
  /// Whether a `write` returned false and `onWritable` has not followed yet.
  var owesWritable = false
  /// Whether writing has failed permanently.
  var hasFailed = false
  /// Whether `finishWriting` was called.
  var isFinished = false
  /// Whether `close` was called.
  private(set) var isClosed = false

  /// Creates a stream that owns `handles` from now on.
  ///
  /// - Parameter growsPipe: Whether the stream reads a pipe that is to be enlarged when much data
  ///   comes through it.
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

  private func updateReading() {
    guard let input, !hasEnded else { return }
    let reads = demand.mayRead
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
    // libuv reads on as long as each read fills its memory. Without memory it stops until the next
    // turn. That costs nothing; stopping and starting reads would take two system calls.
    if hasReadItsShare { return tuv_read_into(buffer, nil, 0) }
    let memory = loop.readBuffer.prepare(limit: min(readLimit, loop.share.size))
    tuv_read_into(buffer, memory.baseAddress, memory.count)
  }

  fileprivate func didRead(_ count: Int) {
    if count > 0 {
      let chunk = loop.readBuffer.didFill(count)
      countRead(count)
      if growsPipe && count >= Self.pipeSize { growPipe() }
      onRead?(chunk)
    } else if count < 0, count != Int(UV_ENOBUFS.rawValue) || !hasReadItsShare {
      endReading(UVStatus(Int32(count)))
    }
  }

  /// Counts bytes that were read in this turn.
  private func countRead(_ count: Int) {
    if turn != loop.share.turn {
      turn = loop.share.turn
      readInTurn = 0
    }
    readInTurn += count
    if hasReadItsShare { loop.share.didUseUp() }
  }

  /// Whether this stream has used up its share of this turn.
  private var hasReadItsShare: Bool {
    turn == loop.share.turn && readInTurn >= loop.share.size
  }

  private func endReading(_ status: UVStatus) {
    var status = status
    if let input {
      uv_read_stop(input)
      // After a read that did not fill its memory, libuv takes a connection that was reset for one
      // that has ended, without reading the error.
      let error =
        status.code == UV_EOF.rawValue ? SocketReset.takeError(of: Handle.descriptor(of: input)) : 0
      if error != 0 { status = UVStatus(-error) }
    }
    hasEnded = true
    isReading = false
    onEnd?(status.code == UV_EOF.rawValue ? nil : status.error("read from \(peer)"))
  }

  /// The default size of a pipe in bytes, pipe(7).
  private static let pipeSize = 64 * 1024
  /// The size in bytes of a pipe that carries much data, for fewer and larger reads.
  private static let bulkPipeSize: Int32 = 1 << 20

  /// Enlarges the pipe after a read that brought as many bytes as a default pipe holds. A command
  /// with little output does not pay for this. If the user's limit of pipe memory is reached, the
  /// pipe keeps its size.
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

  /// Closes the handle for writing, if the stream has two handles.
  func closeOutput() {
    guard let output, !isDuplex else { return }
    let descriptor = Handle.descriptor(of: output)
    restoreFlags(of: { $0 == descriptor })
    self.output = nil
    Handle.close(output)
    // A stream that only writes can't call back any more. Closing it releases its callbacks.
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
