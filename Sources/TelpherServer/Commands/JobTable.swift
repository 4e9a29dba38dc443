internal import Synchronization
internal import TelpherWire

/// Which jobs this server knows, for all its loops: so that a repeated OPEN never runs one twice.
/// A running job is never forgotten; results are kept for a while, a bounded number of them.
final class JobTable: Sendable {
  /// What is known of a job id.
  enum Claim: Equatable {
    /// Nothing: the caller runs it now.
    case new
    /// It runs on the loop of this number.
    case running(loop: Int)
    /// It has this result.
    case finished(CloseResult)
  }

  private struct State {
    var running: [String: Int] = [:]
    var results: [String: (result: CloseResult, at: UInt64)] = [:]
    /// The ids in `results`, oldest first.
    var order: [String] = []
  }

  private let state = Mutex(State())
  private let maxResults: Int
  private let keepFor: UInt64

  init(maxResults: Int, keepFor: UInt64) {
    self.maxResults = maxResults
    self.keepFor = keepFor
  }

  /// Looks `job` up and, if it is new, books it for the loop of number `loop`.
  func claim(_ job: String, loop: Int, now: UInt64) -> Claim {
    state.withLock { state in
      if let owner = state.running[job] { return .running(loop: owner) }
      if let kept = state.results[job] {
        if !isExpired(kept.at, now) { return .finished(kept.result) }
        state.results[job] = nil
        state.order.removeAll { $0 == job }
      }
      state.running[job] = loop
      return .new
    }
  }

  /// Keeps the result of a job that was claimed.
  func finish(_ job: String, _ result: CloseResult, now: UInt64) {
    state.withLock { state in
      state.running[job] = nil
      if state.results.updateValue((result, now), forKey: job) == nil { state.order.append(job) }
      while let oldest = state.order.first,
        state.order.count > maxResults || isExpired(state.results[oldest]?.at ?? 0, now)
      {
        state.order.removeFirst()
        state.results[oldest] = nil
      }
    }
  }

  /// Another loop may have read its clock later and got the lock earlier: then nothing has passed.
  private func isExpired(_ at: UInt64, _ now: UInt64) -> Bool { now > at && now - at >= keepFor }

  /// Forgets a job that was claimed and did not start: it may be tried again.
  func release(_ job: String) {
    state.withLock { $0.running[job] = nil }
  }
}
