package import TelpherClient
internal import TelpherKeys

/// Runs the commands of a worker's jobs. A command that runs continues whatever happens to the worker.
package protocol JobRunner: Sendable {
  /// Starts a command under this id, unless it was started before, and waits for its end.
  ///
  /// - Returns: how it ended; only when that is known, or known to be unknown. `notStarted` only if it
  ///   is certain that the command does not run and never will; it may be launched again then.
  /// - Throws: `CancellationError` if the task is canceled. The command continues.
  func launch(_ command: Command, as run: JobID) async throws -> RunOutcome

  /// Waits for the end of the command with this id, which may never have been started.
  func reattach(to run: JobID) async throws -> RunOutcome

  /// Ends the command with this id.
  ///
  /// - Returns: false if it does not run (yet, or any more), or if that is not known.
  func cancel(_ run: JobID) async -> Bool
}

extension JobID {
  /// The id of an attempt's command at the worker's server: the job's own id for the first attempt.
  package func run(attempt: Int) -> JobID {
    if attempt == 1 { return self }
    return JobID(bytes: KeyDigest.sha256(bytes + Array(" attempt \(attempt)".utf8)).prefix(16))
  }
}
