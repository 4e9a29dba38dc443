/// How the broker keeps a fleet. All workers and submitters of a fleet share it.
package struct EngineSettings: Sendable, Equatable {
  /// On how many servers of the broker each job and record is: 1, 3 or 5.
  package var replicas = 1
  /// How long a job stays in its queue.
  package var jobAge = Duration.seconds(7 * 86_400)
  /// How long a record stays. It is longer than `jobAge`, so that a job in its queue never loses its
  /// claim.
  package var recordAge = Duration.seconds(14 * 86_400)
  /// How long the broker remembers the id of a submitted job.
  package var duplicateWindow = Duration.seconds(3_600)
  /// How long a worker may take over a job without a sign (`Settlement.working`) before the broker
  /// gives the job to another worker.
  package var workTime = Duration.seconds(30)
  /// How long the broker keeps what a worker said about itself. A worker without such an entry is gone.
  package var workerAge = Duration.seconds(30)

  /// The usual settings, for a broker of one server.
  package init() {}
}
