internal import Synchronization

/// What a worker says about itself, and what it answers.
extension FleetWorker {
  /// Checks that no other worker has this name: each would take the other for gone, and its jobs for
  /// lost. A worker with the same journal is this one, before it was killed.
  func checkName() async throws {
    let workers = try await repeating { () throws(FleetError) in try await engine.workers() }
    guard let other = workers.first(where: { $0.worker == settings.name }),
      let record = WorkerRecord(payload: other.payload), record.journal != me.journal.description
    else { return }
    throw FleetError(
      .invalid,
      "another worker has the name \(settings.name), and the broker has heard of it \(other.age.components.seconds) s ago: give each its own name; or, if that worker is gone and its --state folder is lost, try again when the broker has forgotten it"
    )
  }

  /// Tells the broker what this worker is.
  func announce() async throws {
    let record = WorkerRecord(
      journal: journal.id, groups: settings.groups, slots: settings.slots, busy: slots.busy,
      isDraining: calls.withLock(\.isClosed), address: settings.address,
      version: settings.version)
    try await repeating { () throws(FleetError) in
      try await engine.announce(settings.name, record.payload)
    }
  }

  /// Does so again and again.
  func keepAnnouncing() async throws {
    while true {
      try await Task.sleep(for: settings.announcing)
      try await announce()
    }
  }

  /// Answers the calls to this worker.
  func answerCalls() async throws {
    try await engine.answerCalls(to: settings.name) { request in
      await self.answer(WorkerCall(payload: request)).payload
    }
  }

  private func answer(_ call: WorkerCall?) async -> WorkerAnswer {
    switch call {
    case nil: return WorkerAnswer(ok: false, message: "this worker does not know this request")
    case .ping: return WorkerAnswer(ok: true)
    case .cancel(let job):
      guard let active = jobs[job] else {
        return WorkerAnswer(ok: false, message: "this worker does not have the job")
      }
      active.state.withLock { $0.isCanceled = true }
      for _ in 0..<Self.cancelAttempts {
        // Without a command the decision ends the job by itself.
        guard let run = active.state.withLock(\.run), await !runner.cancel(run) else {
          return WorkerAnswer(ok: true)
        }
        // It starts at this moment, or has ended.
        do { try await Task.sleep(for: Self.cancelPause) } catch { break }
      }
      return WorkerAnswer(ok: false, message: "the worker's server does not end the command")
    }
  }

  /// How often a command that is just being started is asked to end, and the pause in between.
  private static let cancelAttempts = 50
  private static let cancelPause = Duration.milliseconds(100)
}
