/// The limits of a fleet, with their reasons.
package enum FleetLimits {
  /// The longest job in bytes, as it is submitted. A broker takes 1 MiB, and a record of a job that
  /// can't run contains it in base64.
  package static let maxJobLength = 512 << 10
  /// The longest record in bytes: a broker's limit of 1 MiB, less the room for its headers.
  package static let maxRecordLength = 1_000 << 10
  /// The longest announcement of a worker, call, or answer to one, in bytes. All workers are listed at
  /// once.
  package static let maxMessageLength = 16 << 10
  /// The longest name of a worker or group in characters: what a host's name has.
  package static let maxNameLength = 64
  /// The most entries that a broker may have of one job: its records, and the places of repeated
  /// submissions.
  package static let maxTraces = 64
  /// The most workers in a list.
  package static let maxWorkers = 10_000
  /// The most queues of a broker: those of all workers, and of as many groups.
  package static let maxQueues = 20_000
  /// The most calls that a worker answers at the same time.
  package static let maxConcurrentCalls = 16
  /// The most calls that wait for a worker's answer; the oldest are dropped then.
  package static let maxWaitingCalls = 256
  /// The most words of a job's command.
  package static let maxWords = 10_000
  /// The most variables of a job.
  package static let maxVariables = 1_000
  /// The longest deadline in milliseconds: a year.
  package static let maxDeadline: Int64 = 366 * 86_400 * 1_000
  /// The most attempts of a job. More would only repeat a job that kills its workers.
  package static let maxAttempts = 100
  /// The longest reason in a record in characters.
  package static let maxReasonLength = 1_000
  /// The longest command in a final record in characters: a line for a list.
  package static let maxTitleLength = 200
  /// The most jobs that a worker runs at the same time: a quarter of what its server runs.
  package static let maxSlots = 1_024
  /// The most groups of a worker.
  package static let maxGroups = 64
}
