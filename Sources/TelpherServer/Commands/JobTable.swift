internal import Synchronization
internal import TelpherWire

/// The jobs of all loops of a server, by id, so that a repeated OPEN never runs a job twice.
/// Running jobs stay in the table; a limited number of results is kept for a limited time. May be
/// used from any thread.
final class JobTable: Sendable {
  /// The state of a job id.
  enum Claim: Equatable {
    /// The id is new: the caller runs the job now.
    case new
    /// The job runs on the loop of this number.
    case running(loop: Int)
    /// The job has finished with this result.
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

  /// Looks up the id `job` and, if it is new, records it as running on loop `loop`.
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

  /// Records the result of a claimed job.
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

  /// `now` may be before `at`: another loop may have read its clock later and got the lock earlier.
  private func isExpired(_ at: UInt64, _ now: UInt64) -> Bool { now > at && now - at >= keepFor }

  /// Forgets a claimed job that did not start; its id may be used again.
  func release(_ job: String) {
    state.withLock { $0.running[job] = nil }
  }
}
