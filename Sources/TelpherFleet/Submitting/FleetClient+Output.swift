extension FleetClient {
  /// Where the output of a job is.
  package struct OutputPlace: Sendable, Equatable {
    /// The address of a server of the job's worker.
    package let address: String
    /// The id of the command there.
    package let run: JobID
    /// Whether the job has ended. Until then the server may not know the command yet: the worker takes a
    /// job before it starts the command.
    package let hasEnded: Bool
  }

  /// How often a job is looked at until a worker has it.
  private static let interval = Duration.milliseconds(500)

  /// Finds the output of a job.
  ///
  /// - Parameter waits: whether to wait until a worker has the job.
  /// - Throws: `FleetError`: `absent` if there is no such job or it has no output; `unreachable` if its
  ///   worker is gone or has no address.
  package func place(of job: JobID, waits: Bool) async throws -> OutputPlace {
    while true {
      guard let status = try await status(of: job) else {
        throw FleetError(.absent, "the broker knows no job \(job)")
      }
      if let worker = status.worker, status.attempt > 0 {
        return OutputPlace(
          address: try await address(of: worker), run: job.run(attempt: status.attempt),
          hasEnded: status.final != nil)
      }
      if let final = status.final {
        throw FleetError(
          .absent, "the job was never started (\(final.outcome.name)), so it has no output")
      }
      guard waits else {
        throw FleetError(
          .absent, "the job waits in its queue, and has no output yet; -f waits for it")
      }
      try await Task.sleep(for: Self.interval)
    }
  }

  private func address(of worker: WorkerName) async throws(FleetError) -> String {
    let entry = try await engine.workers().first { $0.worker == worker }
    guard let entry, let record = WorkerRecord(payload: entry.payload) else {
      throw FleetError(.unreachable, "the job's output is at worker \(worker), which is gone")
    }
    guard let address = record.address else {
      throw FleetError(.unreachable, "the job's worker \(worker) has no address")
    }
    return address
  }
}
