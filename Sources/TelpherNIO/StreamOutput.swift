internal import TelpherTransport

/// The sending side of a stream. A value: each input returns what the stream does next.
struct StreamOutput {
  private enum State {
    /// Nothing is queued. Next: `queued`, `finished`, `failed`.
    case ready
    /// A `write` returned false, and `onWritable` follows. Next: `ready`, `finishing`, `failed`.
    case queued
    /// The owner has ended this side, and NIO still has queued bytes. Next: `finished`.
    case finishing
    /// This side has ended. Final.
    case finished
    /// Writing has failed for good; bytes are dropped. Next: `finished`.
    case failed
  }

  private var state = State.ready
  /// The storages of chunks that NIO has queued. NIO keeps their memory; while the storages are
  /// listed here, the memory counts as in use (`ChunkStorage.bytesInUse`).
  private var storages: [ChunkStorage] = []

  /// Whether `write` may be called.
  var isUnfinished: Bool {
    switch state {
    case .ready, .queued, .failed: true
    case .finishing, .finished: false
    }
  }

  /// Whether writing has failed for good.
  var hasFailed: Bool {
    if case .failed = state { true } else { false }
  }

  /// Whether NIO has queued bytes, so that `queueDidEmpty()` follows.
  var isQueued: Bool {
    switch state {
    case .queued, .finishing: true
    case .ready, .finished, .failed: false
    }
  }

  /// NIO has queued bytes of a `write`.
  mutating func didQueue() {
    guard case .ready = state else { return }
    state = .queued
  }

  /// Counts the memory of a chunk as in use until the queue is empty.
  mutating func keep(_ storage: ChunkStorage) { storages.append(storage) }

  /// What to do if the queue is empty.
  enum EmptyAction {
    /// Nothing.
    case wait
    /// Call `onWritable`.
    case reportWritable
    /// End the writing side, and call `onWritable`.
    case endAndReportWritable
  }

  /// NIO has written all queued bytes.
  mutating func queueDidEmpty() -> EmptyAction {
    storages = []
    switch state {
    case .queued:
      state = .ready
      return .reportWritable
    case .finishing:
      state = .finished
      return .endAndReportWritable
    case .ready, .finished, .failed:
      return .wait
    }
  }

  /// The owner ends this side.
  ///
  /// - Returns: whether to end the writing side now.
  mutating func finish() -> Bool {
    switch state {
    case .ready, .failed:
      state = .finished
      return true
    case .queued:
      state = .finishing
      return false
    case .finishing, .finished:
      return false
    }
  }

  /// What to do if writing has failed.
  enum FailAction {
    /// Nothing.
    case wait
    /// Report the failure later.
    case report
    /// Later, end the writing side and report the failure.
    case endAndReport
  }

  /// Writing has failed for good.
  mutating func fail() -> FailAction {
    storages = []
    switch state {
    case .ready, .queued:
      state = .failed
      return .report
    case .finishing:
      state = .finished
      return .endAndReport
    case .finished, .failed:
      return .wait
    }
  }

  /// The owner has closed the stream.
  mutating func close() {
    storages = []
    state = .finished
  }
}
