internal import Synchronization

/// The jobs that a worker works on, at most one task for each. A job that the broker delivers again is
/// the same one: only its delivery is replaced.
final class ActiveJobs: Sendable {
  /// A job that a task works on.
  final class Entry: Sendable {
    /// The job.
    let job: JobID

    struct State {
      /// The newest delivery; nil if the job comes from the journal.
      var delivery: Delivery?
      var isCanceled = false
      /// The id of the command that runs.
      var run: JobID?
    }

    let state: Mutex<State>

    init(_ job: JobID, _ delivery: Delivery?) {
      self.job = job
      state = Mutex(State(delivery: delivery))
    }

    var delivery: Delivery? { state.withLock(\.delivery) }
    var isCanceled: Bool { state.withLock(\.isCanceled) }
  }

  private let entries = Mutex<[JobID: Entry]>([:])

  /// The number of jobs.
  var count: Int { entries.withLock(\.count) }

  /// Takes a job.
  ///
  /// - Returns: its entry; nil if a task works on it already, which then settles this delivery.
  func begin(_ job: JobID, _ delivery: Delivery?) -> Entry? {
    entries.withLock { entries in
      if let entry = entries[job] {
        if let delivery { entry.state.withLock { $0.delivery = delivery } }
        return nil
      }
      let entry = Entry(job, delivery)
      entries[job] = entry
      return entry
    }
  }

  /// No task works on it any more.
  func end(_ entry: Entry) { entries.withLock { $0[entry.job] = nil } }

  subscript(job: JobID) -> Entry? { entries.withLock { $0[job] } }
}

/// The free slots of a worker, and the queues that wait for one.
///
/// A queue asks the broker for as many jobs as slots are free. With several queues more jobs than slots
/// may arrive; the worker gives the rest back at once.
final class Slots: Sendable {
  private struct State {
    var free: Int
    /// The number of calls for jobs by queue.
    var asking: [QueueName: Int] = [:]
    var isClosed = false
    var waiting: [(queue: QueueName, continuation: CheckedContinuation<Bool, Never>)] = []
  }

  private let state: Mutex<State>
  private let count: Int

  init(_ count: Int) {
    self.count = count
    state = Mutex(State(free: count))
  }

  /// How many are in use.
  var busy: Int { state.withLock { count - $0.free } }

  /// Waits until there are more free slots than calls for jobs of this queue, and counts one more call.
  ///
  /// - Returns: false if the worker takes no more jobs.
  func ask(for queue: QueueName) async -> Bool {
    await withCheckedContinuation { continuation in
      let answer: Bool? = state.withLock { state in
        if state.isClosed { return false }
        if state.asking[queue, default: 0] < state.free {
          state.asking[queue, default: 0] += 1
          return true
        }
        state.waiting.append((queue, continuation))
        return nil
      }
      if let answer { continuation.resume(returning: answer) }
    }
  }

  /// A call for jobs has ended.
  func asked(for queue: QueueName) {
    change { $0.asking[queue, default: 1] -= 1 }
  }

  /// Takes a slot, if one is free.
  func take() -> Bool {
    state.withLock { state in
      guard state.free > 0, !state.isClosed else { return false }
      state.free -= 1
      return true
    }
  }

  /// Takes a slot although none may be free: for a job that runs already.
  func takeAnyway() { state.withLock { $0.free -= 1 } }

  /// Gives a slot back.
  func giveBack() { change { $0.free += 1 } }

  /// From now on no jobs are taken.
  func close() { change { $0.isClosed = true } }

  /// Changes the state and wakes the tasks that may go on.
  private func change(_ body: (inout State) -> Void) {
    let ready = state.withLock { state in
      body(&state)
      var ready: [(CheckedContinuation<Bool, Never>, Bool)] = []
      state.waiting.removeAll { waiting in
        if state.isClosed {
          ready.append((waiting.continuation, false))
          return true
        }
        guard state.asking[waiting.queue, default: 0] < state.free else { return false }
        state.asking[waiting.queue, default: 0] += 1
        ready.append((waiting.continuation, true))
        return true
      }
      return ready
    }
    for (continuation, answer) in ready { continuation.resume(returning: answer) }
  }
}
