internal import DequeModule
internal import TelpherTransport

/// The bytes of one output of a command that have arrived and were not read yet. Use it only on the
/// loop's thread.
///
/// The server sends no more than the window, so a queue holds at most a window, with one exception.
/// If a reader waits for one output while the other is full, the command is blocked, and the reader
/// would wait forever. Then the full queue may grow up to `unreadLimit`.
final class OutputQueue {
  /// What the queue does with the bytes.
  enum Policy {
    /// Keep them for a reader.
    case stream
    /// Collect all of them, up to a limit in bytes.
    case collect(limit: Int)
    /// Count and drop them.
    case discard
  }

  /// The most unread bytes that are kept of one output while a reader reads only the other: far
  /// more than the messages of usual commands.
  static let unreadLimit = 64 << 20

  /// What the queue does with the bytes. `discard` never changes back.
  var policy: Policy
  /// The bytes that `collect` has kept.
  private(set) var collected: [UInt8] = []
  /// The number of bytes that have arrived.
  private(set) var received: UInt64 = 0
  /// The number of unread bytes.
  private(set) var unread = 0
  /// Whether a reader has called `take()`.
  private(set) var wasRead = false
  /// Whether the output has ended.
  private(set) var hasEnded = false

  private var chunks: Deque<Chunk> = []
  /// Unread bytes whose credit was already given back to the server.
  private var bytesWithoutCredit = 0
  private var waiter: WaitingTask<Chunk?>?

  init(_ policy: Policy) {
    self.policy = policy
  }

  /// Whether a reader waits for the next chunk.
  var isAwaited: Bool { waiter != nil }
  /// Unread bytes whose credit was not given back yet.
  var bytesHoldingCredit: Int { unread - bytesWithoutCredit }

  /// Adds a chunk that has arrived.
  ///
  /// - Returns: the number of bytes that need not be kept, whose credit the caller gives back.
  /// - Throws: `ClientError` (`outputLimit`) if `collect` has more bytes than its limit.
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

  /// Removes and returns the next chunk, with the bytes of credit that the caller gives back; nil
  /// if the queue is empty.
  func take() -> (chunk: Chunk, credit: Int)? {
    wasRead = true
    guard let chunk = chunks.popFirst() else { return nil }
    unread -= chunk.count
    let credit = max(0, chunk.count - bytesWithoutCredit)
    bytesWithoutCredit -= chunk.count - credit
    return (chunk, credit)
  }

  /// Marks the credit of all unread bytes as given back.
  func markCreditAsGivenBack() { bytesWithoutCredit = unread }

  /// Resumes `continuation` with the next chunk, or at the end. Only one reader may wait.
  func wait(_ continuation: WaitingTask<Chunk?>) {
    precondition(waiter == nil, "only one task may read an output")
    waiter = continuation
  }

  /// Ends the output, with an error if it is incomplete.
  func end(_ error: ClientError? = nil) {
    hasEnded = true
    guard let waiter else { return }
    self.waiter = nil
    if let error { waiter.resume(throwing: error) } else { waiter.resume(returning: nil) }
  }

  /// Drops the unread bytes and all that arrive later.
  ///
  /// - Returns: the bytes of credit that the caller gives back.
  func discard() -> Int {
    let credit = bytesHoldingCredit
    policy = .discard
    chunks = []
    unread = 0
    bytesWithoutCredit = 0
    return credit
  }
}
