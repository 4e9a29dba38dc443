internal import Glibc
internal import TelpherFileStore
internal import TelpherJournal
package import TelpherTransport
internal import TelpherWire

/// The folder of the durable jobs of one user, on disk. Only the job host uses it. Every call blocks
/// on the disk.
///
///     JOBS/ID/claim      the request: written in full before the process starts
///     JOBS/ID/state      the result, written in place at the end
///     JOBS/ID/journal/   the output (TelpherJournal)
package struct JobsFolder: Sendable {
  /// Its absolute path.
  package let path: SystemString
  /// The total of all journals.
  let budget: JournalBudget

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
  }

  // MARK: One job

  /// Claims the id of a job: from now on no other request can have it. Makes the job's journal.
  ///
  /// - Throws: `Failure`; nothing of the job is left then.
  func claim(_ claim: JobClaim) throws(Failure) -> JournalWriter {
    let folder = self.folder(claim.id)
    // The folder is new, so no other request has this id.
    guard folder.withCString({ mkdir($0, 0o700) }) == 0 else {
      throw Failure("cannot make the folder of the job", errno: errno)
    }
    do throws(Failure) {
      let record = JobFile.record(claim.encoded())
      try JobFile.create(file(claim.id, "claim"), record)
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
      remove(claim.id, claim.idBytes)
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

  /// Removes everything of a job, as far as that is possible.
  func remove(_ id: String, _ bytes: [UInt8]) {
    try? JournalRemoval.remove(folder: journal(id), name: bytes, budget: budget)
    for name in ["state", "claim"] { _ = file(id, name).withCString { unlink($0) } }
    _ = folder(id).withCString { rmdir($0) }
  }

  // MARK: All jobs

  /// Finds the jobs that an earlier host has kept. Removes what is left of those that it had not
  /// started.
  package func load() -> [StoredJob] {
    guard let directory = path.withCString({ opendir($0) }) else { return [] }
    defer { closedir(directory) }
    var jobs: [StoredJob] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
      }
      guard RunRequest.isJobID(name) else { continue }
      // The process of a job starts only after its claim was written.
      guard let bytes = JobFile.read(file(name, "claim")), let claim = JobClaim(bytes),
        claim.id == name
      else {
        remove(name, JobClaim.bytes(of: name))
        continue
      }
      let result = JobFile.read(file(name, "state")).flatMap { try? CloseResult.decode($0) }
      let summary = try? JournalSummary.read(folder: journal(name))
      jobs.append(
        StoredJob(
          claim: claim, result: result ?? claim.unknownResult(summary?.totals ?? .zero)))
    }
    return jobs.sorted { $0.claim.createdMS < $1.claim.createdMS }
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
}
