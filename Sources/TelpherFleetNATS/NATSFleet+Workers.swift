internal import Synchronization
package import TelpherFleet
internal import TelpherNATS

extension NATSFleet {
  package func announce(_ worker: WorkerName, _ payload: [UInt8]) async throws(FleetError) {
    try await fleet { () throws(NATSError) in
      try await bucket().put(worker.description, payload)
    }
  }

  package func withdraw(_ worker: WorkerName) async throws(FleetError) {
    try await fleet { () throws(NATSError) in try await bucket().remove(worker.description) }
  }

  package func workers() async throws(FleetError) -> [WorkerEntry] {
    try await fleet { () throws(NATSError) in
      let bucket = try bucket()
      let values = try await bucket.all()
      guard !values.isEmpty else { return [] }
      // After the values, so that no age is negative.
      let now = try await jetStream.serverTime(ofStream: bucket.stream)
      let entries = values.compactMap { key, value -> WorkerEntry? in
        guard let name = WorkerName(key), let time = ServerTime(value.time) else { return nil }
        return WorkerEntry(
          worker: name, payload: value.payload,
          age: .nanoseconds(max(0, now.nanoseconds - time.nanoseconds)))
      }
      return Array(entries.sorted { $0.worker < $1.worker }.prefix(FleetLimits.maxWorkers))
    }
  }

  package func call(
    _ worker: WorkerName, _ request: [UInt8], within limit: Duration
  ) async throws(FleetError) -> CallOutcome {
    do throws(NATSError) {
      return .answer(
        try await connection.request(FleetSubjects.calls(worker), request, within: limit).payload)
    } catch {
      if error.code == .noResponders || error.code == .timedOut { return .unreachable }
      throw FleetError(error)
    }
  }

  package func answerCalls(
    to worker: WorkerName, _ answer: @escaping @Sendable ([UInt8]) async -> [UInt8]
  ) async throws(FleetError) {
    // What does not fit waits; the oldest are dropped, since their callers have given up first.
    let (calls, continuation) = AsyncStream.makeStream(
      of: Result<NATSMessage, NATSError>.self,
      bufferingPolicy: .bufferingNewest(FleetLimits.maxWaitingCalls))
    let subscription = await connection.subscribe(FleetSubjects.calls(worker)) { message in
      continuation.yield(message)
    }
    defer { Task { [connection] in await connection.unsubscribe(subscription) } }
    let failure = await withTaskGroup(of: Void.self) { group -> NATSError? in
      var running = 0
      for await call in calls {
        switch call {
        case .failure(let error): return error
        case .success(let message):
          if running == FleetLimits.maxConcurrentCalls {
            await group.next()
            running -= 1
          }
          running += 1
          group.addTask { await self.answer(message, answer) }
        }
      }
      return nil
    }
    if let failure, failure.code != .closed { throw FleetError(failure) }
    throw FleetError(.uncertain, "no more calls are answered")
  }

  private func answer(
    _ message: NATSMessage, _ answer: @Sendable ([UInt8]) async -> [UInt8]
  ) async {
    guard let reply = message.reply.flatMap({ try? NATSSubject($0) }), !reply.hasWildcards else {
      return
    }
    let payload = await answer(message.payload)
    // A caller that gets no answer asks again.
    try? await connection.publish(reply, payload)
  }
}
