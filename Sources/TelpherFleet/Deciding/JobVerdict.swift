/// What a worker thinks of a job's payload, before it asks for the claim.
package enum JobVerdict: Sendable, Equatable {
  /// It may run it: the job is genuine, and the worker's policy allows it.
  case runs(FleetJob.Policy)
  /// It can't run it: the payload can't be read, or the signature or the policy refuses it. The text is
  /// the reason.
  case refused(String)
  /// It must not be started any more, by the worker's clock.
  case expired
}

/// How an attempt to run a job ended, as the worker's own server says.
package enum RunOutcome: Sendable, Equatable {
  /// The command ended, or could not be started by its own fault.
  case ended(JobEnd)
  /// The command was ended because the machine or its processes were shut down.
  case interrupted(JobEnd)
  /// Nothing was started, by a fault of the worker: it lacks files, memory, processes or disk space, or
  /// its server refuses. The text says why.
  case notStarted(String)
  /// The server does not know such a job, or does not know how it ended. The text says why.
  case unknown(String)
}
