/// What the fleet needs of a broker. It stores jobs and records, and passes calls on; it decides
/// nothing. Payloads are opaque to it.
///
/// Each call can be repeated: if it throws `unreachable`, nothing has happened; if it throws
/// `uncertain`, it may have happened, and the same call again leads to one outcome. A call that is
/// canceled throws `uncertain` or returns.
///
/// Waits (`within`) are measured by this machine's monotonic clock, ages by the broker's clock. No
/// engine compares the clocks of two machines.
package protocol FleetEngine: Sendable {
  /// Creates what the fleet needs in the broker. Repeating it changes nothing.
  ///
  /// - Throws: `FleetError`: `refused` if the broker has the fleet with other settings.
  func setUp(_ settings: EngineSettings) async throws(FleetError)

  /// Creates what a queue needs in the broker. Repeating it changes nothing.
  ///
  /// - Throws: `FleetError`: `absent` if the fleet was not set up.
  func addQueue(_ queue: QueueName) async throws(FleetError)

  /// The queues, with the number of jobs in each, in the order of their names.
  func queues() async throws(FleetError) -> [QueueInfo]

  // MARK: Jobs

  /// Submits a job. Returns only if the broker has stored it.
  ///
  /// - Parameter payload: at most `FleetLimits.maxJobLength` bytes.
  /// - Returns: whether it is new. An engine remembers ids for the duplicate window of its settings;
  ///   after that, a repeated job is `accepted` again, and its final record shows a worker that it has
  ///   ended.
  func submit(
    _ payload: [UInt8], id: JobID, to queue: QueueName
  ) async throws(FleetError) -> Submission

  /// Waits for a job of a queue; nil if none came in time. There is one call for each free slot of a
  /// worker and queue. If the call is canceled, a job that was on its way is given to another worker
  /// within the time for work.
  func next(of queue: QueueName, within limit: Duration) async throws(FleetError) -> Delivery?

  /// Says what to do with a delivered job. `working` and `later` may get lost without an error;
  /// `done` and `never` return only after the broker has confirmed them. A delivery whose time has
  /// passed meanwhile is no error.
  func settle(_ delivery: Delivery, _ settlement: Settlement) async throws(FleetError)

  /// The jobs that wait in queues or were given to workers, the oldest first, from `position` on.
  ///
  /// - Parameter limit: the most entries to return, at least 1.
  func queued(after position: Position?, limit: Int) async throws(FleetError) -> [QueuedJob]

  /// Removes a job from its queue. Without it there, nothing happens. A worker that has it keeps it.
  func remove(_ job: QueuedJob) async throws(FleetError)

  /// Whether a queue was added.
  func has(_ queue: QueueName) async throws(FleetError) -> Bool

  // MARK: Records

  /// All that the broker has of a job, in a number of requests that does not depend on other jobs. The
  /// queues are read before the records, because a job leaves its queue after it has got them.
  ///
  /// - Throws: `FleetError`: `broken` if it is more than `FleetLimits.maxTraces` entries.
  func traces(of job: JobID) async throws(FleetError) -> JobTraces

  /// The newest value of a record, as the broker's leader has it; nil if it was never written, or is
  /// too old.
  func record(_ name: RecordName) async throws(FleetError) -> Record?

  /// Writes a record if its revision is `expected`; nil means that there must be none. After a time-out
  /// the engine reads the record back: if it holds `payload`, it was written.
  ///
  /// - Throws: `FleetError`: `uncertain` if the engine can't find out whether it was written.
  func write(
    _ name: RecordName, _ payload: [UInt8], expecting expected: Revision?
  ) async throws(FleetError) -> WriteOutcome

  /// The records of a kind in the order of their revisions, from the one after `position` on.
  ///
  /// - Parameter limit: the most entries to return, at least 1. Fewer may be returned only at the end.
  func records(
    _ kind: RecordName.Kind, after position: Revision?, limit: Int
  ) async throws(FleetError) -> [RecordEntry]

  /// Waits until one of some records has another revision than `known` has for it, and returns it; nil if
  /// that did not happen in time. Returns at once if one has already.
  func change(
    of names: [RecordName], from known: [RecordName: Revision], within limit: Duration
  ) async throws(FleetError) -> RecordEntry?

  // MARK: Workers

  /// Stores what a worker says about itself. The broker forgets it after `EngineSettings.workerAge`.
  func announce(_ worker: WorkerName, _ payload: [UInt8]) async throws(FleetError)

  /// Removes what a worker said about itself.
  func withdraw(_ worker: WorkerName) async throws(FleetError)

  /// What all workers have said about themselves, in the order of their names.
  func workers() async throws(FleetError) -> [WorkerEntry]

  /// Asks a worker and waits for its answer.
  func call(
    _ worker: WorkerName, _ request: [UInt8], within limit: Duration
  ) async throws(FleetError) -> CallOutcome

  /// Answers the calls to a worker until the task is canceled, at most
  /// `FleetLimits.maxConcurrentCalls` at the same time; further calls wait. Continues by itself after
  /// the connection was lost.
  ///
  /// - Throws: `FleetError`: `refused` if these credentials may not do it; anything when the task is
  ///   canceled.
  func answerCalls(
    to worker: WorkerName, _ answer: @escaping @Sendable ([UInt8]) async -> [UInt8]
  ) async throws(FleetError)
}
