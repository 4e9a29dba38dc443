internal import Glibc
internal import TelpherJSON
internal import TelpherJournal
package import TelpherTransport

/// Decides which durable jobs that have ended are removed without a request. A job that runs is never
/// removed.
package struct JobRetention: Sendable, Equatable, Codable {
  /// How long a job is kept after its end, in milliseconds. The default is a week, so that what ran over
  /// a holiday is still there.
  package var maxAgeMS: Int64 = 7 * 24 * 3_600_000
  /// The most bytes on the disk of all jobs that have ended; nil for half of the space of all journals.
  package var maxBytes: UInt64?
  /// How long a job is kept after its end, however much space it takes, in milliseconds: an hour, for
  /// which `run --reconnect` tries to reach its job.
  package static let minAgeMS: Int64 = 3_600_000
  /// The space and the number of all journals are divided by this: the rest is for jobs that run.
  private static let share: UInt64 = 2

  /// The defaults.
  package init() {}

  private enum CodingKeys: String, CodingKey {
    case maxAgeMS = "max_age_ms"
    case maxBytes = "max_bytes"
  }

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
  func surplus(of jobs: [Ended], now: Int64, space: UInt64) -> [String] {
    let maxBytes = maxBytes ?? space / Self.share
    var bytes = jobs.reduce(UInt64(0)) { $0 + $1.bytes }
    var count = jobs.count
    var ids: [String] = []
    for job in jobs.sorted(by: { ($0.endedMS, $0.id) < ($1.endedMS, $1.id) }) {
      // A clock that was set back makes an age negative; the job is then kept.
      let age = now - job.endedMS
      let isTooMuch =
        bytes > maxBytes || count > JournalLimit.journals / Int(Self.share)
      guard age > maxAgeMS || isTooMuch && age > Self.minAgeMS else { continue }
      ids.append(job.id)
      bytes -= job.bytes
      count -= 1
    }
    return ids
  }
}

/// The file with the retention of a folder of jobs: a JSON object. Servers write it, and the job hosts
/// read it each time that they look for jobs to remove. So a host that runs already, and one that
/// another server has started, use it too.
package struct RetentionFile: Sendable {
  /// Its path.
  package let path: SystemString

  /// The longest file: two numbers and their names.
  private static let maxLength = 4_096

  /// The file at `path`, which need not exist.
  package init(path: SystemString) { self.path = path }

  /// The retention that it has; the default without a file. Blocks on the disk.
  ///
  /// - Returns: nil if there is a file that can't be read: nothing is removed then.
  package func read() -> JobRetention? {
    let file = path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) }
    guard file >= 0 else { return errno == ENOENT ? JobRetention() : nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: Self.maxLength)
    let count = Glibc.read(file, &bytes, bytes.count)
    guard count > 0, count < bytes.count else { return nil }
    return try? JSONDecoding.decode(JobRetention.self, from: Array(bytes[..<count]))
  }

  /// Replaces the file. Blocks on the disk.
  ///
  /// - Throws: `ErrorNumber`; the file is as before then.
  package func write(_ retention: JobRetention) throws(ErrorNumber) {
    let bytes: [UInt8]
    do { bytes = try JSONEncoding.encode(retention) } catch {
      preconditionFailure("it has only numbers: \(error)")
    }
    let draft = SystemString(path.bytes + Array(".\(getpid())".utf8))
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW
    let file = draft.withCString { open($0, flags, 0o600) }
    guard file >= 0 else { throw ErrorNumber(errno) }
    let isWritten = Glibc.write(file, bytes, bytes.count) == bytes.count
    close(file)
    let isNamed =
      isWritten
      && draft.withCString { old in path.withCString { rename(old, $0) } } == 0
    guard isNamed else {
      let error = errno
      _ = draft.withCString { unlink($0) }
      throw ErrorNumber(error)
    }
  }
}
