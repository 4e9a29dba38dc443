package import TelpherTransport

/// A `ByteStream` over pipes in memory. A test can set its peer and make it break.
package final class MemoryStream: ByteStream {
  /// See `ByteStream.onRead`.
  package var onRead: ((Chunk) -> Void)?
  /// See `ByteStream.onEnd`.
  package var onEnd: ((TransportError?) -> Void)?
  /// See `ByteStream.onWritable`.
  package var onWritable: (() -> Void)?
  /// See `ByteStream.onWriteFailure`.
  package var onWriteFailure: ((TransportError) -> Void)?
  /// The most bytes that the next read may return.
  package var readLimit = Int.max
  /// The peer's identity; a test may set it.
  package var peer: PeerIdentity
  /// The number of queued bytes.
  package private(set) var queuedBytes = 0

  private let loop: MemoryLoop
  private let incoming: MemoryPipe?
  private let outgoing: MemoryPipe?
  private let isTCP: Bool
  private var resetsOnClose = false
  private var handle = 0
  private var isReading = false
  private var didEnd = false
  private var isClosed = false
  private var queue: [Chunk] = []
  private var owesWritable = false
  private var isFinishing = false
  private var hasWriteFailed = false
  private var unreportedFailure: TransportError?

  init(_ endpoint: MemoryEndpoint, on loop: MemoryLoop) {
    self.loop = loop
    incoming = endpoint.incoming
    outgoing = endpoint.outgoing
    isTCP = endpoint.isTCP
    peer = endpoint.peer
    handle = loop.add(self)
    let waker = MemoryWaker(loop: loop, handle: handle)
    incoming?.setReader(waker)
    outgoing?.setWriter(waker)
  }

  // MARK: Reading

  /// Starts or continues reading.
  package func resumeReading() {
    loop.checkIsolated()
    guard !isReading, !isClosed, !didEnd, incoming != nil else { return }
    isReading = true
    loop.wakeSoon(handle)
  }

  /// Pauses reading at once.
  package func pauseReading() {
    loop.checkIsolated()
    isReading = false
  }

  /// The number of bytes that have arrived and were not read yet.
  package var unreadBytes: Int { isClosed ? 0 : incoming?.count ?? 0 }

  /// Whether the peer may still write to this stream.
  package var hasWriters: Bool { incoming?.isFinished == false }

  private func readOnce() {
    guard isReading, let incoming else { return }
    let limit = min(readLimit, loop.network.options.maximumRead)
    switch incoming.read(into: loop.readBuffer.prepare(limit: limit)) {
    case .nothing:
      break
    case .bytes(let count):
      let chunk = loop.readBuffer.didFill(count)
      // One read per round, so that a busy stream does not starve others.
      loop.wakeSoon(handle)
      onRead?(chunk)
    case .end(let failure):
      didEnd = true
      isReading = false
      onEnd?(failure)
    }
  }

  // MARK: Writing

  /// Writes `head` and then `body`.
  @discardableResult
  package func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool {
    loop.checkIsolated()
    precondition(!isFinishing, "nothing is written after finishWriting")
    guard let outgoing, !isClosed, !hasWriteFailed else { return true }
    let sent = queue.isEmpty ? put(head, into: outgoing) : 0
    if sent < head.count, !hasWriteFailed {
      enqueue(Chunk(copying: UnsafeRawBufferPointer(rebasing: head[sent...])))
    }
    if let body, !body.isEmpty, !hasWriteFailed {
      let sent = queue.isEmpty ? body.withUnsafeBytes { put($0, into: outgoing) } : 0
      if sent < body.count, !hasWriteFailed { enqueue(body.slice(sent..<body.count)) }
    }
    if queue.isEmpty { return true }
    owesWritable = true
    return false
  }

  /// Ends the writing side after the queued bytes.
  package func finishWriting() {
    loop.checkIsolated()
    isFinishing = true
    if queue.isEmpty, !isClosed, !hasWriteFailed { outgoing?.finish() }
  }

  private func enqueue(_ chunk: Chunk) {
    queue.append(chunk)
    queuedBytes += chunk.count
  }

  private func put(_ bytes: UnsafeRawBufferPointer, into outgoing: MemoryPipe) -> Int {
    guard bytes.count > 0 else { return 0 }
    let result = outgoing.write(bytes)
    if result.didCut { incoming?.sever() }
    if let failure = result.failure {
      hasWriteFailed = true
      unreportedFailure = failure
      dropQueue()
      loop.wakeSoon(handle)
    }
    return result.count
  }

  private func dropQueue() {
    queue = []
    queuedBytes = 0
    owesWritable = false
  }

  private func flush() {
    guard let outgoing else { return }
    while let first = queue.first {
      let sent = first.withUnsafeBytes { put($0, into: outgoing) }
      if hasWriteFailed { return }
      queuedBytes -= sent
      guard sent == first.count else {
        queue[0] = first.slice(sent..<first.count)
        return
      }
      queue.removeFirst()
    }
    guard owesWritable else { return }
    owesWritable = false
    if isFinishing { outgoing.finish() }
    onWritable?()
  }

  private func reportFailure() {
    guard let failure = unreportedFailure else { return }
    unreportedFailure = nil
    onWriteFailure?(failure)
  }

  // MARK: Ending

  /// Breaks the connection once `bytes` more bytes have gone in `direction`; at once if 0. The
  /// reader gets these bytes and then `onEnd` with an error, the writer gets `onWriteFailure`, and
  /// the other direction breaks too.
  package func cut(_ direction: MemoryDirection, after bytes: Int = 0) {
    loop.checkIsolated()
    guard bytes > 0 else {
      incoming?.sever()
      outgoing?.sever()
      return
    }
    switch direction {
    case .reading: incoming?.cut(after: bytes)
    case .writing: outgoing?.cut(after: bytes)
    }
  }

  /// Sets whether `close()` resets a TCP connection.
  package func setResetsOnClose(_ resets: Bool) {
    loop.checkIsolated()
    resetsOnClose = resets
  }

  /// Closes both sides at once and drops queued bytes.
  package func close() {
    loop.checkIsolated()
    guard !isClosed else { return }
    isClosed = true
    isReading = false
    dropQueue()
    (onRead, onEnd, onWritable, onWriteFailure) = (nil, nil, nil, nil)
    let hadBytes = incoming?.closeReader() ?? false
    if isTCP, resetsOnClose { outgoing?.sever() }
    // As with sockets: closing one with unread bytes resets the connection.
    outgoing?.finish(hadBytes ? .severed : nil)
    loop.remove(handle)
  }
}

/// A direction of a stream, as seen from one end.
package enum MemoryDirection: Sendable {
  /// The bytes that this end reads.
  case reading
  /// The bytes that this end writes.
  case writing
}

extension MemoryStream: MemoryHandle {
  func didWake() {
    reportFailure()
    if !isClosed { flush() }
    if !isClosed { reportFailure() }
    if !isClosed { readOnce() }
  }

  func shutDown() { close() }
}
