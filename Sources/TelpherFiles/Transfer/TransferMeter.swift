internal import TelpherTransport

/// How far a transfer is.
public struct TransferProgress: Sendable, Equatable {
  /// The path that is worked on, for a person.
  public var path = ""
  /// Bytes of that file that are done with, those that an earlier transfer left included.
  public var pathBytes: Int64 = 0
  /// Files that are done with: stored, left as they are, or failed.
  public var files = 0
  /// Files that are known of so far.
  public var totalFiles = 0
  /// Bytes of files that are done with, those that did not have to be sent included.
  public var bytes: Int64 = 0
  /// Bytes of the files that are known of so far.
  public var totalBytes: Int64 = 0
  /// Whether the totals are final.
  public var isTotalKnown = false
  /// Bytes that went over the connection.
  public var movedBytes: Int64 = 0

  /// Nothing yet.
  public init() {}

  /// Another file comes next.
  mutating func begin(_ path: RelativePath) {
    self.path = path.description
    pathBytes = 0
  }

  /// These bytes of the file went over the connection.
  mutating func move(_ count: Int64) {
    pass(count)
    movedBytes.add(count)
  }

  /// These bytes of the file did not have to: a hole, or what was there before.
  mutating func pass(_ count: Int64) {
    bytes.add(count)
    pathBytes.add(count)
  }

  /// The current file is sent anew from its beginning.
  mutating func takeBack() {
    bytes -= pathBytes
    pathBytes = 0
  }

  /// There is one more file, of `size` bytes.
  mutating func announce(_ size: Int64) {
    totalFiles += 1
    totalBytes.add(size)
  }

  /// A file of `size` bytes did not have to be sent.
  mutating func skip(_ size: Int64) {
    files += 1
    bytes.add(size)
  }
}

extension Int64 {
  /// Adds without a trap: the sizes are a peer's.
  fileprivate mutating func add(_ other: Int64) {
    let (sum, overflow) = addingReportingOverflow(other)
    self = overflow ? .max : sum
  }
}

/// Counts what a transfer does, and tells it to whoever reads `updates`. From any thread.
public final class TransferMeter: Sendable {
  /// The least time between two updates, in nanoseconds: a person reads no faster.
  private static let interval: UInt64 = 100_000_000

  private struct State {
    var progress = TransferProgress()
    var toldAt: UInt64 = 0
  }

  /// The progress, ten times a second at most, and how it ended. A slow reader misses what is
  /// between, not the last one. For one reader.
  public let updates: AsyncStream<TransferProgress>
  private let continuation: AsyncStream<TransferProgress>.Continuation
  private let state = Monitor(State())

  /// A meter for one transfer.
  public init() {
    (updates, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// How far it is now.
  public var progress: TransferProgress { state.withLock(\.progress) }

  /// Changes the counts, and tells of it if it is time.
  func update(_ change: (inout TransferProgress) -> Void) {
    let now = monotonicNow()
    let news: TransferProgress? = state.withLock { state in
      change(&state.progress)
      guard now - state.toldAt >= Self.interval else { return nil }
      state.toldAt = now
      return state.progress
    }
    if let news { continuation.yield(news) }
  }

  /// The transfer is over: tells the last counts and ends `updates`. Whoever started the transfer
  /// calls it.
  public func finish() {
    continuation.yield(progress)
    continuation.finish()
  }
}
