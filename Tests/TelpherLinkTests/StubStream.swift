import TelpherTestSupport
import TelpherTransport

/// A stream that a test controls: it decides when writing blocks or fails, and what arrives. It
/// records the calls of the link. Use it only on its loop's thread.
final class StubStream: ByteStream {
  var onRead: ((Chunk) -> Void)?
  var onEnd: ((TransportError?) -> Void)?
  var onWritable: (() -> Void)?
  var onWriteFailure: ((TransportError) -> Void)?
  var readLimit = Int.max
  let peer = PeerIdentity.inherited
  let tcpPorts: TCPPorts? = nil
  let unreadBytes = 0
  let hasWriters = true

  /// Whether a write is queued instead of written.
  var queuesWrites = false
  /// The frames that the link has written or queued.
  private(set) var frames: [RawFrame] = []
  /// The bytes of a frame that is not complete yet.
  private var rest: [UInt8] = []
  private var sawPreface = false
  /// The number of bytes that the link has written or queued.
  private(set) var byteCount = 0
  /// The number of calls of `write` with at least one byte.
  private(set) var writes = 0
  private(set) var queuedBytes = 0
  private(set) var isReading = false
  private(set) var hasFinishedWriting = false
  private(set) var isClosed = false

  /// The numbers of the PONGs among `frames`.
  var pongs: [UInt64] { frames.filter { $0.type == 9 }.map { number($0.payload) } }

  /// The number of payload bytes of DATA among `frames`, of one stream.
  func dataBytes(_ stream: UInt32) -> Int {
    frames.filter { $0.type == 3 && $0.stream == stream }.reduce(0) { $0 + $1.payload.count }
  }

  func resumeReading() { isReading = true }
  func pauseReading() { isReading = false }

  func write(_ head: UnsafeRawBufferPointer, _ body: Chunk?) -> Bool {
    precondition(!hasFinishedWriting && !isClosed, "a link does not write after the end")
    let count = head.count + (body?.count ?? 0)
    rest.append(contentsOf: head)
    if let body { rest.append(contentsOf: body) }
    if !sawPreface, rest.count >= preface.count {
      sawPreface = true
      rest.removeFirst(preface.count)
    }
    while sawPreface, let frame = RawFrame.take(from: &rest) { frames.append(frame) }
    byteCount += count
    if count > 0 { writes += 1 }
    guard queuesWrites else { return true }
    queuedBytes += count
    return false
  }

  func finishWriting() {
    precondition(!hasFinishedWriting, "a link ends its side once")
    hasFinishedWriting = true
  }

  func close() { isClosed = true }
  func setResetsOnClose(_ resets: Bool) {}

  /// Writes the queued bytes.
  func becomeWritable() {
    queuesWrites = false
    queuedBytes = 0
    onWritable?()
  }

  /// Makes writing fail for good.
  func failWriting() {
    queuedBytes = 0
    onWriteFailure?(.stub)
  }

  /// Delivers bytes of the peer.
  func deliver(_ bytes: [UInt8]...) {
    precondition(isReading, "bytes arrive only while the link reads")
    onRead?(Chunk(bytes.flatMap { $0 }))
  }
}

extension TransportError {
  /// The error of a `StubStream`.
  static let stub = TransportError(.broken, "the stub broke", errno: 0)
}
