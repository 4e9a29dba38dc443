internal import TelpherJournal

/// Decides which durable jobs that have ended are removed without a request. A job that runs is never
/// removed.
enum JobRetention {
  /// How long a job is kept after its end, in milliseconds: a week, so that what ran over a holiday
  /// is still there.
  static let maxAgeMS: Int64 = 7 * 24 * 3_600_000
  /// How long a job is kept after its end, however much space it takes, in milliseconds: an hour, for
  /// which `run --reconnect` tries to reach its job.
  static let minAgeMS: Int64 = 3_600_000
  /// The space and the number of all journals are divided by this: the rest is for jobs that run.
  private static let share: UInt64 = 2

  /// A job that has ended.
  struct Ended: Sendable {
    let id: String
    /// In milliseconds since 1970.
    let endedMS: Int64
    /// The disk space of its journal.
    let bytes: UInt64
  }

  /// The ids of the jobs to remove: those that ended too long ago, and the oldest of the others while
  /// all that have ended need too much of `space`, the bytes for all journals.
  static func surplus(of jobs: [Ended], now: Int64, space: UInt64) -> [String] {
    var bytes = jobs.reduce(UInt64(0)) { $0 + $1.bytes }
    var count = jobs.count
    var ids: [String] = []
    for job in jobs.sorted(by: { ($0.endedMS, $0.id) < ($1.endedMS, $1.id) }) {
      // A clock that was set back makes an age negative; the job is then kept.
      let age = now - job.endedMS
      let isTooMuch =
        bytes > space / share || count > JournalLimit.journals / Int(share)
      guard age > maxAgeMS || isTooMuch && age > minAgeMS else { continue }
      ids.append(job.id)
      bytes -= job.bytes
      count -= 1
    }
    return ids
  }
}
