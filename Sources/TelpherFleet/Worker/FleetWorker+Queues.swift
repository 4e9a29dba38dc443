internal import Synchronization

/// How a worker gets jobs.
extension FleetWorker {
  /// Takes jobs of a queue, one after the other, until the worker is drained.
  func serve(_ queue: QueueName) async throws {
    var pause = settings.pauses.first
    while await slots.ask(for: queue) {
      let outcome = await next(of: queue)
      slots.asked(for: queue)
      switch outcome {
      case .success(nil): pause = settings.pauses.first
      case .success(let delivery?):
        pause = settings.pauses.first
        try await take(delivery)
      case .failure(let error):
        guard mayPass(error) else { throw error }
        try await Task.sleep(for: pause)
        pause = min(pause * 2, settings.pauses.last)
      }
    }
  }

  /// Asks the broker for a job, until the worker is drained.
  private func next(of queue: QueueName) async -> Result<Delivery?, FleetError> {
    let task = Task { [engine, settings] in
      do throws(FleetError) {
        return Result<Delivery?, FleetError>.success(
          try await engine.next(of: queue, within: settings.asking))
      } catch {
        return .failure(error)
      }
    }
    let number = calls.withLock { calls in
      calls.last += 1
      if calls.isClosed { task.cancel() }
      calls.tasks[calls.last] = task
      return calls.last
    }
    let outcome = await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
    let isClosed = calls.withLock { calls in
      calls.tasks[number] = nil
      return calls.isClosed
    }
    // A canceled call may fail in any way.
    if isClosed, case .failure = outcome { return .success(nil) }
    return outcome
  }

  private func take(_ delivery: Delivery) async throws {
    guard slots.take() else {
      return try await settle(delivery, .later(.zero))
    }
    defer { slots.giveBack() }
    // Others may be able to start it.
    if failed.withLock({ $0.isLeft(delivery.job, at: .now) }) {
      return try await settle(delivery, .later(settings.startPauses.first))
    }
    guard let active = jobs.begin(delivery.job, delivery) else { return }
    guard case .released = try await begin(active, delivery) else { return }
    // A worker without room must not go through all jobs of a queue at once.
    try await Task.sleep(for: settings.startPauses.first)
  }
}
