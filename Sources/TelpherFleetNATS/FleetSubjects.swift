internal import TelpherFleet
internal import TelpherNATS

/// The names of a fleet in the broker.
///
///     stream TJ           tj.job.g.GROUP.ID, tj.job.h.WORKER.ID     jobs, until they are settled
///     consumers           g_GROUP, h_WORKER                         a queue each
///     stream TR           tj.claim.g.GROUP.ID, tj.claim.h.WORKER.ID records, the newest of each;
///                         tj.res..., tj.dead..., tj.cancel...       only submitters write tj.cancel
///     bucket TJ_WORKERS   WORKER                                    announcements
///     messages            tj.new.res.g.GROUP.ID, ...                a record was stored
///     requests            tj.w.WORKER.rpc                           calls to a worker
///     requests            TJ.API...                                 what members call $JS.API...
enum FleetSubjects {
  static let jobs = "TJ"
  static let records = "TR"
  static let workers = "TJ_WORKERS"
  static let allJobs: NATSSubject = "tj.job.>"

  /// What the subjects of requests to JetStream begin with for a member. Members are in accounts without
  /// streams of their own, where $JS.API would only answer that there are none.
  static let memberAPI: NATSSubject = "TJ.API"

  /// The consumer of a queue.
  static func consumer(_ queue: QueueName) -> String {
    switch queue {
    case .group(let name): "g_\(name)"
    case .worker(let name): "h_\(name)"
    }
  }

  /// The queue of a consumer; nil if it is not one of a fleet.
  static func queue(consumer: String) -> QueueName? {
    guard let name = FleetName(String(consumer.dropFirst(2))) else { return nil }
    if consumer.hasPrefix("g_") { return .group(name) }
    return consumer.hasPrefix("h_") ? .worker(name) : nil
  }

  /// The parts of a subject that name a queue.
  static func parts(_ queue: QueueName) -> String {
    switch queue {
    case .group(let name): "g.\(name)"
    case .worker(let name): "h.\(name)"
    }
  }

  /// The subject of a job.
  static func job(_ job: JobID, _ queue: QueueName) -> NATSSubject {
    subject("tj.job.\(parts(queue)).\(job)")
  }

  /// The subjects of all jobs of a queue.
  static func jobs(of queue: QueueName) -> String { "tj.job.\(parts(queue)).*" }

  /// The subjects that a job can have in the queues.
  static func places(of job: JobID) -> NATSSubject { subject("tj.job.*.*.\(job)") }

  /// The subjects of all records of a job.
  static func records(of job: JobID) -> NATSSubject { subject("tj.*.*.*.\(job)") }

  /// The job and the queue of a subject; nil if it is none of a fleet.
  static func job(_ subject: String) -> (JobID, QueueName)? {
    guard let (word, job, queue) = read(subject), word == "job" else { return nil }
    return (job, queue)
  }

  /// The word, the job and the queue of a subject.
  private static func read(_ subject: String) -> (word: String, JobID, QueueName)? {
    let parts = subject.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 5, parts[0] == "tj", let name = FleetName(parts[3]),
      let job = JobID(parts[4])
    else { return nil }
    switch parts[2] {
    case "g": return (parts[1], job, .group(name))
    case "h": return (parts[1], job, .worker(name))
    default: return nil
    }
  }

  static func word(_ kind: RecordName.Kind) -> String {
    switch kind {
    case .claim: "claim"
    case .result: "res"
    case .dead: "dead"
    case .cancel: "cancel"
    }
  }

  /// The subject of a record.
  static func record(_ name: RecordName) -> NATSSubject {
    subject("tj.\(word(name.kind)).\(parts(name.queue)).\(name.job)")
  }

  /// The subjects of all records of a kind.
  static func records(_ kind: RecordName.Kind) -> NATSSubject { subject("tj.\(word(kind)).*.*.*") }

  /// The messages that tell of each record that was stored.
  static let announcements = StreamSettings.Announcement("tj.>", as: "tj.new.>")

  /// The subject of the messages that a record was stored.
  static func announcement(_ name: RecordName) -> NATSSubject {
    subject("tj.new.\(word(name.kind)).\(parts(name.queue)).\(name.job)")
  }

  /// The subjects of the messages that a record of a kind was stored.
  static func announcements(_ kind: RecordName.Kind) -> NATSSubject {
    subject("tj.new.\(word(kind)).*.*.*")
  }

  /// The record of a subject; nil if it is none of a fleet.
  static func recordName(_ subject: String) -> RecordName? {
    guard let (word, job, queue) = read(subject),
      let kind = RecordName.Kind.allCases.first(where: { Self.word($0) == word })
    else { return nil }
    return RecordName(kind, job, of: queue)
  }

  /// The subject of the calls to a worker.
  static func calls(_ worker: WorkerName) -> NATSSubject { subject("tj.w.\(worker).rpc") }

  private static func subject(_ text: String) -> NATSSubject {
    guard let subject = try? NATSSubject(text) else {
      preconditionFailure("names and ids are parts of a subject")
    }
    return subject
  }
}
