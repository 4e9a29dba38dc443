/// The final record of a job, and the settlement.
extension JobDecision {
  func final(
    _ outcome: FinalRecord.Outcome, _ worker: WorkerName?, _ attempt: Int
  ) -> FinalRecord {
    var record = FinalRecord(job, outcome, worker: worker, attempt: attempt)
    record.describe((try? SignedJob(payload: payload))?.job)
    return record
  }

  /// The job has an end for this worker.
  mutating func end(_ outcome: FinalRecord.Outcome, _ attempt: Int) -> JobStep {
    let final = final(outcome, me.worker, attempt)
    isJournaled = true
    state = .journalingEnd(final)
    return .journal(.ended(final))
  }

  /// Keeps the payload of a job that can't run, and then publishes.
  mutating func bury(_ final: FinalRecord) -> JobStep {
    guard final.isUnable else { return publish(final) }
    state = .burying(final)
    // A payload that no submitter of this program has made may be longer than a record.
    let kept = Array(payload.prefix(FleetLimits.maxJobLength))
    return .write(RecordName(.dead, job, of: queue), kept, expecting: nil)
  }

  mutating func publish(_ final: FinalRecord) -> JobStep {
    publish(final, expecting: nil)
  }

  mutating func publish(_ final: FinalRecord, expecting expected: Revision?) -> JobStep {
    state = .publishing(final, expected: expected)
    return .write(result, final.payload, expecting: expected)
  }

  mutating func didPublish(
    _ final: FinalRecord, _ outcome: WriteOutcome
  ) throws(FleetError) -> JobStep {
    switch outcome {
    case .written: return finish(with: final)
    case .conflict(nil): return publish(final, expecting: nil)
    case .conflict(let record?):
      let other: FinalRecord
      do throws(FleetError) { other = try FinalRecord(payload: record.payload, of: job) } catch {
        // Another worker of the queue can write what is no record. What has really happened takes its place.
        guard final.isKnownEnd else { throw error }
        return publish(final, expecting: record.revision)
      }
      return final.replaces(other)
        ? publish(final, expecting: record.revision) : finish(with: other)
    }
  }

  /// The broker has this final record.
  mutating func finish(with final: FinalRecord) -> JobStep {
    guard isJournaled, !hasDoneIt else {
      return settle(final.isUnable ? .never : .done, .final(final))
    }
    state = .journalingDone(final)
    return .journal(.done)
  }

  mutating func settle(_ settlement: Settlement, _ finish: JobStep.Finish) -> JobStep {
    state = .settling(finish)
    return .settle(settlement)
  }
}

extension FinalRecord {
  /// Whether the job's payload is kept in the list of dead jobs.
  var isUnable: Bool {
    switch outcome {
    case .dead, .exhausted: true
    case .ended, .lost, .canceled, .expired: false
    }
  }
}
