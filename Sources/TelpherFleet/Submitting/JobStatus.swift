internal import TelpherText

extension FleetClient {
  /// What is known about a job.
  package struct Status: Sendable, Equatable {
    /// The job.
    package let id: JobID
    /// Its queue.
    package let queue: QueueName
    /// Its place in the queue; nil if it was settled.
    package var queued: QueuedJob?
    /// The worker that has claimed it; nil if none has.
    package var claim: Claim?
    /// How it ended; nil if it has not.
    package var final: FinalRecord?
    /// Whether it must not be started any more.
    package var isCanceled = false
    /// The payload of a job that could not run.
    package var dead: [UInt8]?
    /// Whether the broker has a record about it that can't be read.
    package var hasUnreadableRecord = false
    /// The revisions of its records.
    package var revisions: [RecordName: Revision] = [:]
    /// What the request to cancel it says about it.
    private var canceled: FinalRecord?

    /// A job of which nothing else is known.
    init(id: JobID, queue: QueueName) { (self.id, self.queue) = (id, queue) }

    /// Takes a record.
    ///
    /// - Throws: `FleetError` (`broken`) if it can't be read. That is noted.
    mutating func take(_ entry: RecordEntry) throws(FleetError) {
      revisions[entry.name] = entry.record.revision
      let payload = entry.record.payload
      do throws(FleetError) {
        switch entry.name.kind {
        case .claim: claim = try Claim(payload: payload, of: id)
        case .result: final = try FinalRecord(payload: payload, of: id)
        case .dead: dead = payload
        case .cancel:
          // It counts whatever it says.
          isCanceled = true
          canceled = try? FinalRecord(payload: payload, of: id)
        }
      } catch {
        hasUnreadableRecord = true
        throw error
      }
    }

    /// The worker that has the claim of a canceled job without a final record.
    var holderOfCanceled: WorkerName? {
      guard isCanceled, final == nil, case .run(let holder) = claim else { return nil }
      return holder.owner.worker
    }

    /// Concludes how a canceled job ends for which no worker will write a record.
    ///
    /// - Parameter isGone: whether the worker that has its claim is gone.
    mutating func conclude(isGone: Bool) {
      guard isCanceled, final == nil, !hasUnreadableRecord else { return }
      switch claim {
      case nil, .free: final = FinalRecord(id, .canceled(nil))
      case .run(let holder) where isGone:
        let worker = holder.owner.worker
        final = FinalRecord(
          id, .lost("it was canceled while its worker \(worker) was gone"), worker: worker,
          attempt: holder.attempt)
      case .run, .end: return
      }
      final?.command = canceled?.command
      final?.digest = canceled?.digest
    }

    /// The state in one word.
    package var state: String {
      if let final { return final.outcome.name }
      if hasUnreadableRecord { return "unreadable" }
      switch claim {
      case .run: return "running"
      case .end: return "ending"
      case .free, nil: return "queued"
      }
    }

    /// The worker that has it or has had it; nil if none had.
    package var worker: WorkerName? {
      if let worker = final?.worker { return worker }
      if case .run(let holder) = claim { return holder.owner.worker }
      return nil
    }

    /// The attempt that runs or ran last, from 1; 0 if there was none.
    package var attempt: Int {
      if let final, final.attempt > 0 { return final.attempt }
      if case .run(let holder) = claim { return holder.attempt }
      return 0
    }

    /// Why the last worker that had it could not start it; nil if none had, or if it goes on.
    package var lastFault: String? {
      guard final == nil, case .free(let holder, let reason) = claim else { return nil }
      return "worker \(holder.owner.worker) could not start it: \(ShownText.escaped(reason))"
    }

    /// The words of its command for people; nil if they are not known.
    package var command: String? {
      job?.job.title ?? final?.command.map { ShownText.escaped($0) }
    }

    /// The job, from its queue or from the list of dead jobs; nil if it can't be read any more.
    package var job: SignedJob? {
      (queued?.payload ?? dead).flatMap { try? SignedJob(payload: $0) }
    }
  }
}
