internal import Glibc
internal import TelpherFileStore
internal import TelpherJournal
package import TelpherTransport
internal import TelpherWire

/// The folder of the durable jobs of one user, on disk. Only the job host uses it. Every call blocks
/// on the disk.
///
///     JOBS/ID/claim      the request: gets this name once it is complete, before the process starts
///     JOBS/ID/state      the result, written in place at the end
///     JOBS/ID/journal/   the output (TelpherJournal)
package struct JobsFolder: Sendable {
  /// Its absolute path.
  package let path: SystemString
  /// The total of all journals.
  let budget: JournalBudget
  /// The number of jobs that run.
  let live: LiveJobs

  /// A failure, with a message for the user.
  package struct Failure: Error {
    /// What failed, and why.
    package let message: String

    init(_ message: String) { self.message = message }

    init(_ action: String, errno number: Int32) {
      message = "\(action): \(describe(errno: number))"
    }
  }

  /// The folder at `path`, which exists and which only this user can enter.
  ///
  /// - Throws: `Failure`.
  package init(path: SystemString) throws(Failure) {
    self.path = path
    do throws(JournalError) {
      budget = try JournalBudget(jobs: path)
    } catch {
      throw Failure(error.message)
    }
    do throws(ErrorNumber) {
      live = try LiveJobs(in: path)
    } catch {
      throw Failure("cannot write the number of running jobs in '\(path)'", errno: error.value)
    }
  }

  // MARK: One job

  /// Claims the id of a job: from now on no other request can have it. Makes the job's journal.
  ///
  /// - Throws: `Failure`; nothing of the job is left then, as far as that is possible.
  func claim(_ claim: JobClaim) throws(Failure) -> JournalWriter {
    let folder = self.folder(claim.id)
    // The folder is new, so no other request has this id.
    guard folder.withCString({ mkdir($0, 0o700) }) == 0 else {
      throw Failure("cannot make the folder of the job", errno: errno)
    }
    do throws(Failure) {
      let record = JobFile.record(claim.encoded())
      let draft = file(claim.id, "claim.new")
      try JobFile.create(draft, record)
      let place = file(claim.id, "claim")
      guard draft.withCString({ old in place.withCString { rename(old, $0) } }) == 0 else {
        throw Failure("cannot name \(place)", errno: errno)
      }
      // Written in full now, so that a full disk can't keep the result from being recorded.
      try JobFile.create(
        file(claim.id, "state"), [UInt8](repeating: 0, count: JobFile.stateLength))
      do throws(JournalError) {
        return try JournalWriter(
          folder: journal(claim.id), name: claim.idBytes, settings: claim.settings, budget: budget)
      } catch {
        throw Failure(error.message)
      }
    } catch {
      // No process was started, so files that can't be removed do no harm: the next host removes
      // them.
      try? remove(claim.id, claim.idBytes)
      throw error
    }
  }

  /// Records the result of a job.
  ///
  /// - Throws: `Failure`.
  func record(_ result: CloseResult, of id: String) throws(Failure) {
    var short = result
    short.message = result.message?.cut(toUTF8: JobFile.messageLength)
    try JobFile.overwrite(file(id, "state"), JobFile.record(short.encoded()))
  }

  /// Opens the output of a job for reading.
  ///
  /// - Throws: `Failure`.
  func reader(
    of id: String, channels: [JournalChannel], from start: JournalStart
  ) throws(Failure) -> JournalReader {
    do throws(JournalError) {
      return try JournalReader(folder: journal(id), channels: channels, from: start)
    } catch {
      throw Failure(error.message)
    }
  }

  /// Removes everything of a job: the claim after the output, so that a job of which output is left
  /// is still known.
  ///
  /// - Throws: `Failure` if something is left; the call may be repeated.
  func remove(_ id: String, _ bytes: [UInt8]) throws(Failure) {
    do throws(JournalError) {
      try JournalRemoval.remove(folder: journal(id), name: bytes, budget: budget)
    } catch {
      throw Failure(error.message)
    }
    for name in ["claim", "claim.new", "state"] {
      let path = file(id, name)
      guard path.withCString({ unlink($0) }) == 0 || errno == ENOENT else {
        throw Failure("cannot remove '\(path)'", errno: errno)
      }
    }
    let folder = folder(id)
    guard folder.withCString({ rmdir($0) }) == 0 || errno == ENOENT else {
      throw Failure("cannot remove '\(folder)'", errno: errno)
    }
  }

  // MARK: All jobs

  /// Finds the jobs that an earlier host has kept. Removes what is left of those that it had not
  /// started: those without a claim. A claim that can't be read may be that of a job that has run,
  /// so such a job is kept as `unknown`.
  ///
  /// - Throws: `Failure` if the folder can't be listed.
  package func load() throws(Failure) -> [StoredJob] {
    guard let directory = path.withCString({ opendir($0) }) else {
      throw Failure("cannot list '\(path)'", errno: errno)
    }
    defer { closedir(directory) }
    var jobs: [StoredJob] = []
    while true {
      errno = 0
      guard let entry = readdir(directory) else {
        guard errno == 0 else { throw Failure("cannot list '\(path)'", errno: errno) }
        break
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
      }
      guard RunRequest.isJobID(name) else { continue }
      switch JobFile.read(file(name, "claim")) {
      case .missing:
        // The process of a job starts only after its claim has its name. If something can't be
        // removed, the folder stays, and a new job can't have its id.
        try? remove(name, JobClaim.bytes(of: name))
      case .unreadable(let why): jobs.append(unreadable(name, why))
      case .value(let bytes):
        if let claim = JobClaim(bytes), claim.id == name {
          jobs.append(stored(claim))
        } else {
          jobs.append(unreadable(name, "another version has written it"))
        }
      }
    }
    return jobs.sorted { $0.claim.createdMS < $1.claim.createdMS }
  }

  private func stored(_ claim: JobClaim) -> StoredJob {
    let state = JobFile.read(file(claim.id, "state"))
    if case .value(let bytes) = state, let result = try? CloseResult.decode(bytes) {
      return StoredJob(
        claim: claim, result: result,
        endedMS: Self.modificationMS(file(claim.id, "state")) ?? JobClaim.now)
    }
    let result = claim.unknownResult(totals(claim.id))
    // Its age counts from now on. Without the file it is the same for the next host.
    try? record(result, of: claim.id)
    return StoredJob(claim: claim, result: result, endedMS: JobClaim.now)
  }

  /// When a file or a folder was changed last, in milliseconds since 1970; nil if that is unknown.
  private static func modificationMS(_ path: SystemString) -> Int64? {
    var status = stat()
    guard path.withCString({ stat($0, &status) }) == 0 else { return nil }
    return Int64(status.st_mtim.tv_sec) * 1_000 + Int64(status.st_mtim.tv_nsec) / 1_000_000
  }

  /// A job whose claim can't be read.
  private func unreadable(_ id: String, _ why: String) -> StoredJob {
    let claim = JobClaim(
      unreadable: id, createdMS: Self.modificationMS(folder(id)) ?? JobClaim.now)
    var result = claim.unknownResult(totals(id))
    let fault = "the claim of the job can't be read: \(why)"
    result.message = fault
    return StoredJob(claim: claim, result: result, endedMS: claim.createdMS, fault: fault)
  }

  private func totals(_ id: String) -> JournalOffsets {
    (try? JournalSummary.read(folder: journal(id)))?.totals ?? .zero
  }

  private func folder(_ id: String) -> SystemString {
    SystemString(path.bytes + Array("/\(id)".utf8))
  }

  private func file(_ id: String, _ name: String) -> SystemString {
    SystemString(path.bytes + Array("/\(id)/\(name)".utf8))
  }

  private func journal(_ id: String) -> SystemString { file(id, "journal") }
}

/// A job that an earlier host has kept.
package struct StoredJob: Sendable {
  let claim: JobClaim
  /// Its result; `unknown` if its end was not seen.
  let result: CloseResult
  /// When it ended, or when its end was found not to have been seen, in milliseconds since 1970.
  let endedMS: Int64
  /// Why its claim can't be read; nil if it was.
  var fault: String?
}
