internal import TelpherLink
package import TelpherTransport

/// One of two streams in this process that are connected to each other, as the ends of a socket pair are,
/// but without descriptors and copies, and with a reset. The two ends may be on different loops.
///
/// - Bytes that one end writes wait at the other until that one reads them. Up to `capacity` bytes count
///   as taken meanwhile; more are queued, and `onWritable` follows.
/// - `finishWriting()` is the orderly end of one direction. `close()` after it leaves to the other end
///   what waits there.
/// - `close()` of a stream that resets (`setResetsOnClose`), or that has not ended its writing side, breaks
///   the other end: bytes that wait there are dropped, and reading and writing fail. So a part is never
///   taken for the whole.
///
/// Use each end only on its loop's thread.
package final class PairedStream: ByteStream {
  /// The writing side.
  private enum Writing {
    /// Bytes may be written. Next: `finished`, `failed`.
    case open
    /// `finishWriting` was called. Next: `failed`.
    case finished
    /// The other end is gone. Final.
    case failed
  }

  /// The reading side.
  private enum Reading {
    /// Bytes may come. Next: `endKnown`, `ended`.
    case open
    /// All bytes have come, and the end, or the error that broke the stream. Next: `ended`.
    case endKnown(TransportError?)
    /// The end was reported. Final.
    case ended
  }

  /// What one end tells the other.
  private enum Message: Sendable {
    case bytes(Chunk)
    /// So many bytes were read.
    case taken(Int)
    case end
    /// The end is closed; `breaks` says whether bytes may be missing.
    case closed(breaks: Bool)
  }

  /// The bytes of one direction that count as taken although the other end has not read them: as much as
  /// a Unix socket's default on a small system, and enough to cover the way between two loops.
  package static let capacity = 64 << 10

  package var onRead: ((Chunk) -> Void)?
  package var onEnd: ((TransportError?) -> Void)?
  package var onWritable: (() -> Void)?
  package var onWriteFailure: ((TransportError) -> Void)?
  package var readLimit = Int.max
  package let peer: PeerIdentity

  private let loop: any EventLoop
  /// The other end; nil once either end is closed.
  private var other: PairedStream?
  private var writing = Writing.open
  private var reading = Reading.open
  private var isClosed = false
  private var isReading = false
  private var isDeliveryScheduled = false
  private var resetsOnClose = false
  /// Bytes that wait to be read.
  private var inbox = WaitingBytes()
  /// The rest of a chunk of which a part was read.
  private var rest: Chunk?
  private var inboxCount = 0
  /// Bytes that were written and that the other end has not read.
  private var outstanding = 0
  /// Whether a `write` returned false and `onWritable` has not followed yet.
  private var owesWritable = false

  private init(on loop: any EventLoop, peer: PeerIdentity) { (self.loop, self.peer) = (loop, peer) }

  /// Two ends that are connected. Each keeps the other alive until one is closed.
  ///
  /// - Parameters:
  ///   - first: the loop of the first end, and whom its owner sees as its peer.
  ///   - second: the same of the second.
  package static func pair(
    _ first: (loop: any EventLoop, peer: PeerIdentity),
    _ second: (loop: any EventLoop, peer: PeerIdentity)
  ) -> (first: PairedStream, second: PairedStream) {
    let ends = (
      PairedStream(on: first.loop, peer: first.peer),
      PairedStream(on: second.loop, peer: second.peer)
    )
    (ends.0.other, ends.1.other) = (ends.1, ends.0)
    return ends
  }

  /// Sends an event to the other end, after the events sent before. It arrives in a later turn of that
  /// end's loop, as the events of a socket do.
  private func tell(_ message: Message) {
    guard let other else { return }
    nonisolated(unsafe) let receiver = other
    other.loop.execute { receiver.receive(message) }
  }

  private func receive(_ message: Message) {
    guard !isClosed else { return }
    switch message {
    case .bytes(let chunk):
      inbox.append(chunk)
      inboxCount += chunk.count
      deliver()
    case .taken(let count):
      outstanding -= count
      guard owesWritable, outstanding <= Self.capacity else { return }
      owesWritable = false
      onWritable?()
    case .end:
      if case .open = reading { reading = .endKnown(nil) }
      deliver()
    case .closed(let breaks): otherDidClose(breaks)
    }
  }

  private func otherDidClose(_ breaks: Bool) {
    other = nil
    let error = TransportError(.broken, "the connection was reset at the other side")
    if breaks {
      dropInbox()
      switch reading {
      case .open, .endKnown: reading = .endKnown(error)
      case .ended: break
      }
    }
    // What was written and not read is lost, and so is all that follows.
    let wasOpen = if case .open = writing { true } else { false }
    writing = .failed
    (outstanding, owesWritable) = (0, false)
    if wasOpen { onWriteFailure?(error) }
    deliver()
  }

  // MARK: Reading

  package func resumeReading() {
    loop.checkIsolated()
    guard !isClosed else { return }
    isReading = true
    guard !isDeliveryScheduled else { return }
    isDeliveryScheduled = true
    nonisolated(unsafe) let stream = self
    loop.execute {
      stream.isDeliveryScheduled = false
      stream.deliver()
    }
  }

  package func pauseReading() {
    loop.checkIsolated()
    isReading = false
  }

  /// Passes on what waits, as far as the owner reads. Not from within a call of the owner's.
  private func deliver() {
    while isReading, !isClosed, readLimit > 0, let next = takeNext() {
      inboxCount -= next.count
      tell(.taken(next.count))
      onRead?(next)
    }
    guard isReading, !isClosed, inboxCount == 0, case .endKnown(let error) = reading else { return }
    reading = .ended
    onEnd?(error)
  }

  private func takeNext() -> Chunk? {
    guard var chunk = rest ?? inbox.next() else { return nil }
    let part = chunk.removePrefix(min(readLimit, chunk.count))
    rest = chunk.isEmpty ? nil : chunk
    return part
  }

  private func dropInbox() {
    inbox.removeAll()
    (rest, inboxCount) = (nil, 0)
  }

  package var unreadBytes: Int { inboxCount }
  package var hasWriters: Bool { true }

  // MARK: Writing

  @discardableResult
  package func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool {
    loop.checkIsolated()
    switch writing {
    case .open: break
    case .finished: preconditionFailure("nothing is written after finishWriting()")
    case .failed: return true
    }
    guard !isClosed else { return true }
    if !head.isEmpty { send(Chunk(copying: head)) }
    if let body, !body.isEmpty { send(body) }
    guard outstanding > Self.capacity else { return true }
    owesWritable = true
    return false
  }

  private func send(_ chunk: Chunk) {
    outstanding += chunk.count
    tell(.bytes(chunk))
  }

  package var queuedBytes: Int { max(0, outstanding - Self.capacity) }

  package func finishWriting() {
    loop.checkIsolated()
    guard case .open = writing, !isClosed else { return }
    writing = .finished
    tell(.end)
  }

  // MARK: The end

  package func setResetsOnClose(_ resets: Bool) { resetsOnClose = resets }

  package func close() {
    loop.checkIsolated()
    guard !isClosed else { return }
    isClosed = true
    let hasFinished = if case .finished = writing { true } else { false }
    tell(.closed(breaks: resetsOnClose || !hasFinished))
    (onRead, onEnd, onWritable, onWriteFailure) = (nil, nil, nil, nil)
    (other, outstanding) = (nil, 0)
    dropInbox()
  }

  package var tcpPorts: TCPPorts? { nil }
}
