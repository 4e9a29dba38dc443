/// The jobs that a worker could not start, and how long it leaves each of them to other workers.
///
/// A job may wait for something that only this worker lacks. So the pauses are those of one job, and the
/// worker goes on with others meanwhile.
struct FailedStarts {
  private struct Entry {
    var until: ContinuousClock.Instant
    var pause: Duration
  }

  private var entries: [JobID: Entry] = [:]
  private let pauses: (first: Duration, last: Duration)

  /// The most jobs that are remembered, some 100 bytes each. A job that is forgotten is tried again.
  private static let most = 1_024

  init(pauses: (first: Duration, last: Duration)) { self.pauses = pauses }

  /// A job could not be started. The pause after it is twice as long as the one before.
  mutating func note(_ job: JobID, at now: ContinuousClock.Instant) {
    let pause = entries[job].map { min($0.pause * 2, pauses.last) } ?? pauses.first
    entries[job] = Entry(until: now + pause, pause: pause)
    guard entries.count > Self.most else { return }
    // An entry whose pause is over still counts for the length of the next one, for the same time again.
    entries = entries.filter { now < $0.value.until + $0.value.pause }
    if entries.count > Self.most, let oldest = entries.min(by: { $0.value.until < $1.value.until })
    {
      entries[oldest.key] = nil
    }
  }

  /// A job was started, or is done.
  mutating func forget(_ job: JobID) { entries[job] = nil }

  /// Whether the job is left to other workers at this time.
  func isLeft(_ job: JobID, at now: ContinuousClock.Instant) -> Bool {
    entries[job].map { now < $0.until } ?? false
  }
}
