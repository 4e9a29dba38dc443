internal import TelpherFileStore
internal import TelpherTransport

/// The progress of a transfer.
public struct TransferProgress: Sendable, Equatable {
  /// The path of the current file, as displayed to the user.
  public var path = ""
  /// The finished bytes of the current file, including those that an earlier transfer left.
  public var pathBytes: Int64 = 0
  /// The finished files: stored, skipped or failed.
  public var files = 0
  /// The files that were found so far.
  public var totalFiles = 0
  /// The finished bytes of all files, including those that did not have to be sent.
  public var bytes: Int64 = 0
  /// The bytes of the files that were found so far.
  public var totalBytes: Int64 = 0
  /// Whether the totals are final.
  public var isTotalKnown = false
  /// The bytes that went over the connection.
  public var movedBytes: Int64 = 0

  /// Creates a progress of zero.
  public init() {}

  /// Begins another file.
  mutating func begin(_ path: RelativePath) {
    self.path = path.description
    pathBytes = 0
  }

  /// Counts bytes of the current file that went over the connection.
  mutating func move(_ count: Int64) {
    pass(count)
    movedBytes.add(count)
  }

  /// Counts bytes of the current file that were not sent: a hole, or bytes that the receiver had.
  mutating func pass(_ count: Int64) {
    bytes.add(count)
    pathBytes.add(count)
  }

  /// Uncounts the bytes of the current file, which is sent again from its beginning.
  mutating func restartFile() {
    bytes -= pathBytes
    pathBytes = 0
  }

  /// Adds a file of `size` bytes to the totals.
  mutating func announce(_ size: Int64) {
    totalFiles += 1
    totalBytes.add(size)
  }

  /// Counts a file of `size` bytes that does not have to be sent as finished.
  mutating func skip(_ size: Int64) {
    files += 1
    bytes.add(size)
  }
}

extension Int64 {
  /// Adds without trapping on overflow, since the sizes come from a peer.
  fileprivate mutating func add(_ other: Int64) {
    let (sum, overflow) = addingReportingOverflow(other)
    self = overflow ? .max : sum
  }
}

/// Counts the progress of one transfer and publishes it as `updates`. Any thread may use it.
public final class TransferMeter: Sendable {
  /// The minimum time between two updates, in nanoseconds. People can't read faster updates.
  private static let interval: UInt64 = 100_000_000

  private struct State {
    var progress = TransferProgress()
    var publishedAt: UInt64 = 0
  }

  /// The progress, at most ten times a second, and the final progress. A slow reader misses updates
  /// in between, but gets the last one. For one reader only.
  public let updates: AsyncStream<TransferProgress>
  private let continuation: AsyncStream<TransferProgress>.Continuation
  private let state = Monitor(State())

  /// Creates a meter for one transfer.
  public init() {
    (updates, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// The current progress.
  public var progress: TransferProgress { state.withLock(\.progress) }

  /// Changes the counts, and publishes them if the last update is old enough.
  func update(_ change: (inout TransferProgress) -> Void) {
    let news: TransferProgress? = state.withLock { state in
      change(&state.progress)
      // Read the clock under the lock: an earlier time than that of the last update would trap.
      let now = monotonicNow()
      guard now - state.publishedAt >= Self.interval else { return nil }
      state.publishedAt = now
      return state.progress
    }
    if let news { continuation.yield(news) }
  }

  /// Publishes the final counts and ends `updates`. The caller that started the transfer calls it
  /// when the transfer is over.
  public func finish() {
    continuation.yield(progress)
    continuation.finish()
  }
}
