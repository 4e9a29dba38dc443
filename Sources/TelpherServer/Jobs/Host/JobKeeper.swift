internal import TelpherAccess
internal import Logging
internal import TelpherJournal
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// The durable jobs of a job host. It claims their ids on disk, starts them, and answers the requests
/// about them. Use it only on its loop's thread.
final class JobKeeper {
  private unowned let server: ServerCore
  private let folder: JobsFolder
  private let loop: any EventLoop
  private let workers: JobWorkers
  private let retention: RetentionFile
  /// All jobs by their ids.
  private var jobs: [String: KeptJob] = [:]
  /// The ids of the jobs that have names. A name is used once.
  private var names: [String: String] = [:]
  /// The ids whose folders are being removed.
  private var removing: Set<String> = []
  /// When jobs to remove were last searched for, in nanoseconds on the loop's clock.
  private var lastSurplus: UInt64 = 0
  /// The time between two such searches, in nanoseconds: short compared with the week for which jobs are
  /// kept.
  private static let surplusInterval: UInt64 = 3_600_000_000_000

  /// - Parameters:
  ///   - stored: the jobs of an earlier host.
  ///   - retention: how long jobs that have ended are kept.
  init(
    _ folder: JobsFolder, _ stored: [StoredJob], _ retention: RetentionFile, server: ServerCore,
    loop: any EventLoop
  ) {
    self.retention = retention
    self.server = server
    self.folder = folder
    self.loop = loop
    workers = JobWorkers(loop: loop)
    for job in stored {
      if let fault = job.fault {
        server.log("a job is unknown", ["job": "\(job.claim.id)", "why": "\(fault)"])
      }
      add(KeptJob(job, on: loop))
    }
    removeSurplus()
  }

  private func add(_ job: KeptJob) {
    jobs[job.id] = job
    if let name = job.claim.name { names[name] = job.id }
  }

  private func freeName(of job: KeptJob) {
    if let name = job.claim.name, names[name] == job.id { names[name] = nil }
  }

  /// Removes a job and its folder. Its name is free after that.
  ///
  /// - Parameter then: gets why something is left; nil if nothing is.
  private func remove(_ job: KeptJob, then: @escaping (JobsFolder.Failure?) -> Void) {
    jobs[job.id] = nil
    removing.insert(job.id)
    let (folder, id, bytes) = (folder, job.id, job.claim.idBytes)
    workers.perform { () -> JobsFolder.Failure? in
      do throws(JobsFolder.Failure) {
        try folder.remove(id, bytes)
        return nil
      } catch {
        return error
      }
    } then: { [self] failure in
      removing.remove(id)
      if let failure {
        server.log(
          "a job could not be removed", ["job": "\(id)", "why": "\(failure.message)"])
      }
      then(failure)
      server.checkIdle()
    }
  }

  /// Removes a job that has ended, and then ends the stream that requested it. A job of which
  /// something is left stays in the table.
  private func forget(_ job: KeptJob, for stream: JobStream) {
    job.endReaders()
    remove(job) { [self] failure in
      if let failure {
        jobs[job.id] = job
        stream.finish(
          CloseResult(.failed, message: "the job was not removed: \(failure.message)"))
      } else {
        freeName(of: job)
        stream.finish(success(job))
      }
    }
  }

  /// Removes the jobs that `JobRetention` does not keep.
  private func removeSurplus() {
    lastSurplus = loop.now
    let (budget, file) = (folder.budget, retention)
    workers.perform {
      ((try? budget.sizes()) ?? [:], file.read())
    } then: { [self] (sizes, retention) in
      guard let retention else {
        return server.log(
          "no jobs are removed", ["why": "cannot read \(file.path)"])
      }
      let ended = jobs.values.compactMap { job in
        job.endedMS.map {
          JobRetention.Ended(id: job.id, endedMS: $0, bytes: sizes[job.claim.idBytes] ?? 0)
        }
      }
      let surplus = retention.surplus(of: ended, now: JobClaim.now, space: budget.totalBytes)
      for job in surplus.compactMap({ jobs[$0] }) {
        server.log("a job that ended long ago is removed", ["job": "\(job.id)"])
        removeUnneeded(job)
      }
    }
  }

  /// Does the same if the last search was long ago: a job may become too old while no other one
  /// ends.
  private func removeSurplusIfDue() {
    if loop.now - lastSurplus > Self.surplusInterval { removeSurplus() }
  }

  /// Removes a job that has ended, which no client needs any more.
  private func removeUnneeded(_ job: KeptJob) {
    job.endReaders()
    remove(job) { [self] _ in freeName(of: job) }
  }

  /// Takes a job whose command was not started out of the table. Its folder is removed only if it is
  /// this job's.
  private func drop(_ job: KeptJob) {
    guard job.isClaimed else {
      jobs[job.id] = nil
      return freeName(of: job)
    }
    remove(job) { [self] _ in freeName(of: job) }
  }

  /// Whether the result of a job is still to be recorded.
  var hasLiveJobs: Bool { !removing.isEmpty || jobs.values.contains(where: \.isLive) }

  // MARK: Requests

  /// A request that is not carried out.
  struct Refusal: Error {
    let result: CloseResult

    init(_ kind: CloseResult.Kind, _ message: String) {
      result = CloseResult(kind, message: message)
    }
  }

  /// Starts a job, or attaches to the one that the same request has started.
  ///
  /// - Returns: the work of the stream; the caller adds it to its streams and then calls `begin`.
  /// - Throws: `Refusal`.
  func run(
    _ request: RunRequest, length: Int, noInput: Bool, on stream: StreamID,
    of connection: ServerConnection
  ) throws(Refusal) -> Opened {
    guard let id = request.job else { preconditionFailure("a valid request has an id") }
    if let bytes = request.journal?.bytes,
      !(JournalLimit.minimumBytes...JournalLimit.maximumBytes).contains(bytes)
    {
      throw Refusal(
        .refused,
        "a journal has from \(JournalLimit.minimumBytes) to \(JournalLimit.maximumBytes) bytes, not \(bytes)"
      )
    }
    let claim = JobClaim(request, id: id)
    let terms = request.terms(with: request.limits ?? [:])
    let job: KeptJob
    var begin: () -> Void = {}
    if let known = jobs[id] {
      guard known.claim.digest == claim.digest else {
        throw Refusal(
          .refused,
          known.claim.digest == nil
            ? "the claim of the job \(id) can't be read, so it may have run already"
            : "the job \(id) was started by another request")
      }
      if !noInput, known.isLive {
        try checkInput(to: known, terms)
      }
      job = known
    } else {
      guard !removing.contains(id) else {
        throw Refusal(.refused, "the job \(id) is being removed: try again")
      }
      if let name = claim.name, let other = names[name] {
        throw Refusal(
          .refused,
          "the job \(other) has the name '\(name)'; forget that job, or choose another name")
      }
      if let limit = request.concurrency, folder.live.current >= limit.most - limit.others {
        throw Refusal(.refused, RunRequest.tooMany(limit.most))
      }
      folder.live.didBegin()
      job = KeptJob(
        claim, terms, on: loop, didEnd: { [unowned self] in didEnd($0, with: $1) },
        isUnneeded: { [unowned self] in removeUnneeded($0) })
      add(job)
      begin = { [self] in
        start(
          job, request, length: length, noInput: noInput, from: connection.link.peer,
          of: ObjectIdentifier(connection))
      }
    }
    let work: JobStream
    if request.detach == true {
      work = JobStartStream(job, stream, of: connection)
    } else {
      let reader = self.reader(JobRequest(.attach), of: job, on: stream, of: connection)
      work = reader
      if request.onDisconnect == .kill { job.belong(to: reader) }
      let start = begin
      begin = {
        start()
        if !noInput { job.takeInput(from: reader) }
      }
    }
    return Opened(work: work) { [begin] in
      job.add(work)
      begin()
    }
  }

  /// The work of a stream, and what begins it.
  struct Opened {
    let work: any StreamWork
    let begin: () -> Void
  }

  private func reader(
    _ request: JobRequest, of job: KeptJob, on stream: StreamID, of connection: ServerConnection
  ) -> JobReaderStream {
    JobReaderStream(job, request, folder: folder, workers: workers, stream: stream, of: connection)
  }

  /// Handles a request about jobs.
  ///
  /// - Returns: the work of the stream; the caller adds it to its streams and then calls `begin`.
  /// - Throws: `Refusal`.
  func handle(
    _ request: JobRequest, noInput: Bool, on stream: StreamID, of connection: ServerConnection
  ) throws(Refusal) -> Opened {
    removeSurplusIfDue()
    switch request.operation {
    case .jobs:
      let records = jobs.values.compactMap(\.record).sorted {
        ($0.createdMS, $0.id) < ($1.createdMS, $1.id)
      }
      let list = JobListStream(records, stream, of: connection)
      return Opened(work: list, begin: list.start)
    case .attach:
      let job = try find(request.job)
      let work = reader(request, of: job, on: stream, of: connection)
      return Opened(work: work) {
        job.add(work)
        if !noInput { job.takeInput(from: work) }
      }
    case .wait:
      let job = try find(request.job)
      let work = JobStream(job, stream, of: connection)
      return Opened(work: work) { job.add(work) }
    case .terms:
      let job = try find(request.job)
      let answer = try terms(of: job)
      let work = JobStream(job, stream, of: connection)
      return Opened(work: work) { work.finish(answer) }
    case .forget:
      let job = try find(request.job)
      guard !job.isLive else {
        throw Refusal(
          .failed, "the job \(job.id) has not ended; end it with 'telpher kill \(job.id)'")
      }
      let work = JobStream(job, stream, of: connection)
      return Opened(work: work) { [self] in forget(job, for: work) }
    }
  }

  /// The commands of the jobs that run, under the jobs' ids and in their order.
  func commands(after last: String?) -> [CommandListing.Item] {
    jobs.values.compactMap { job in
      guard let view = job.view, last.map({ $0 < job.id }) ?? true else { return nil }
      return CommandListing.Item(
        id: job.id, client: job.claim.name.map { "job '\($0)'" } ?? "job", view: view)
    }.sorted { $0.id < $1.id }
  }

  /// Sends a signal to all processes of a job, or ends the job.
  ///
  /// - Returns: the answer for the client.
  func kill(_ reference: String, signal: Int32?) -> CloseResult {
    let job: KeptJob
    do throws(Refusal) {
      job = try find(reference)
    } catch {
      return CloseResult(noCommand: reference)
    }
    guard job.isLive else { return CloseResult(.failed, message: "the job \(job.id) has ended") }
    job.kill(signal)
    return success(job)
  }

  private func success(_ job: KeptJob) -> CloseResult {
    var result = CloseResult(.ok)
    result.job = job.id
    return result
  }

  /// The job that `reference` means: an id, a name, or the beginning of one id.
  ///
  /// - Throws: `Refusal`.
  private func find(_ reference: String?) throws(Refusal) -> KeptJob {
    guard let reference else { preconditionFailure("a valid request has it") }
    if let job = jobs[reference] ?? names[reference].flatMap({ jobs[$0] }) { return job }
    let matches =
      reference.utf8.count < RunRequest.shortestBeginning
      ? [] : jobs.keys.filter { $0.hasPrefix(reference) }.sorted()
    guard let first = matches.first, let job = jobs[first] else {
      throw Refusal(
        .failed,
        "there is no job '\(reference)' (ended jobs are removed after a time, by default a week); a job is named by its name, its id, or at least \(RunRequest.shortestBeginning) digits of its id"
      )
    }
    guard matches.count == 1 else {
      let some = matches.prefix(3).joined(separator: ", ")
      throw Refusal(
        .failed,
        "'\(reference)' is the beginning of \(matches.count) ids: \(some)\(matches.count > 3 ? ", ..." : "")"
      )
    }
    return job
  }

  // MARK: The life of a job

  private func start(
    _ job: KeptJob, _ request: RunRequest, length: Int, noInput: Bool,
    from client: PeerIdentity, of owner: ObjectIdentifier
  ) {
    let (folder, claim) = (folder, job.claim)
    workers.perform {
      Result { () throws(JobsFolder.Failure) in try folder.claim(claim) }
    } then: { [self] result in
      switch result {
      case .failure(let failure):
        job.refuse(CloseResult(.refused, message: "no job was started: \(failure.message)"))
      case .success(let writer):
        job.didClaim()
        guard !job.isAbandoned else {
          return job.refuse(CloseResult(.canceled, message: "the client is gone"))
        }
        var request = request
        // The table of jobs has the id; the server's table is for commands that have no journal.
        request.job = nil
        request.onDisconnect = nil
        let grant = Grant(request: .run(request), reachesAllJobs: true)
        switch server.admit(request, from: client, of: .owner, under: grant, length: length) {
        case .new(let command):
          job.start(command, writer, workers: workers, of: owner, noInput: noInput)
        case .refused(let message):
          job.refuse(CloseResult(.refused, message: message))
        case .running, .finished: preconditionFailure("only requests with an id have these answers")
        }
      }
    }
  }

  private func didEnd(_ job: KeptJob, with result: CloseResult) {
    guard !job.isGone else {
      folder.live.didEnd()
      return drop(job)
    }
    let (folder, id) = (folder, job.id)
    workers.perform {
      Result { () throws(JobsFolder.Failure) in try folder.record(result, of: id) }
    } then: { [self] written in
      if case .failure(let failure) = written {
        server.log(
          "the result of a job is not on disk", ["job": "\(id)", "why": "\(failure.message)"])
      }
      // Before a client learns of the end and starts the next one.
      folder.live.didEnd()
      job.didRecord(result)
      removeSurplus()
      server.checkIdle()
    }
  }
}
