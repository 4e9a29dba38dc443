internal import DequeModule
internal import TelpherTransport

/// What has arrived of one output of a command and was not read yet. On the loop only.
///
/// The server stops at the window, so a queue holds no more than that, but for one case: whoever
/// waits for one output while the other is full would wait for ever, since the command is blocked.
/// Then the other is let grow, up to `spillLimit`.
final class OutputQueue {
  /// What is done with the bytes.
  enum Policy {
    /// Kept for a reader, who asks piece by piece.
    case stream
    /// Kept whole, up to a limit.
    case collect(limit: Int)
    /// Counted and dropped.
    case discard
  }

  /// Unread bytes of one output that are kept for a reader who reads only the other: far more than
  /// a command's messages, and bounded.
  static let spillLimit = 64 << 20

  /// What is done with the bytes. Once `discard`, always.
  var policy: Policy
  /// The bytes of `collect`.
  private(set) var collected: [UInt8] = []
  /// Bytes that arrived.
  private(set) var received: UInt64 = 0
  /// Unread bytes.
  private(set) var unread = 0
  /// Whether a reader has asked for a piece.
  private(set) var wasRead = false
  /// Whether the server has told the end.
  private(set) var hasEnded = false

  private var chunks: Deque<Chunk> = []
  /// Unread bytes that were granted anew already.
  private var spilled = 0
  private var waiter: CheckedContinuation<Chunk?, any Error>?

  init(_ policy: Policy) {
    self.policy = policy
  }

  /// Whether someone waits for the next piece.
  var isAwaited: Bool { waiter != nil }
  /// Unread bytes that still hold credit.
  var ungranted: Int { unread - spilled }

  /// Takes a piece that arrived.
  ///
  /// - Returns: how many bytes the consumer took at once.
  func receive(_ chunk: Chunk) throws(ClientError) -> Int {
    received += UInt64(chunk.count)
    switch policy {
    case .discard:
      return chunk.count
    case .collect(let limit):
      guard collected.count + chunk.count <= limit else {
        policy = .discard
        throw ClientError(.outputLimit, "the command's output is longer than \(limit) bytes")
      }
      collected.append(contentsOf: chunk)
      return chunk.count
    case .stream:
      if let waiter {
        self.waiter = nil
        waiter.resume(returning: chunk)
        return chunk.count
      }
      chunks.append(chunk.compacted())
      unread += chunk.count
      return 0
    }
  }

  /// The next piece, if there is one, and how many bytes of credit were taken with it.
  func take() -> (chunk: Chunk, credit: Int)? {
    wasRead = true
    guard let chunk = chunks.popFirst() else { return nil }
    unread -= chunk.count
    let credit = max(0, chunk.count - spilled)
    spilled -= chunk.count - credit
    return (chunk, credit)
  }

  /// Marks all unread bytes as granted.
  func spill() { spilled = unread }

  /// Lets the one reader wait for the next piece.
  func wait(_ continuation: CheckedContinuation<Chunk?, any Error>) {
    precondition(waiter == nil, "one task reads an output")
    waiter = continuation
  }

  /// Tells the end, or what broke it.
  func end(_ error: ClientError? = nil) {
    hasEnded = true
    guard let waiter else { return }
    self.waiter = nil
    if let error { waiter.resume(throwing: error) } else { waiter.resume(returning: nil) }
  }

  /// Drops what is unread and all that will come.
  ///
  /// - Returns: the bytes that still held credit.
  func discard() -> Int {
    let credit = ungranted
    policy = .discard
    chunks = []
    unread = 0
    spilled = 0
    return credit
  }
}
