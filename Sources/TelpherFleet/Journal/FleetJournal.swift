internal import Glibc
internal import Synchronization
internal import TelpherFileStore
internal import TelpherKeys
internal import TelpherTransport

/// What a worker has done, on its own disk: the newest `JournalEntry` of each job.
///
/// Any task may use it. One thread writes; entries that wait at the same time share one flush. Only one
/// process has the journal of a folder (flock(2)).
///
///     file     "telpher-fleet-journal-1\n", the 16 bytes of the journal's id, then entries
///     entry    4 bytes: the length of the text, big-endian
///              8 bytes: the first of the text's SHA-256
///              the text: JSON
///
/// After a crash the end of the file may be incomplete. Everything before the last flush is complete, so
/// the first entry that can't be read and all after it are dropped.
package final class FleetJournal: Sendable {
  /// The id of this journal: another one, if the folder's contents were lost.
  package let id: JobID
  private let path: String
  /// The locked file.
  private let lock: Int32
  private let state: Mutex<State>
  private let thread = WorkerPool(limit: 1)

  private struct State {
    var memory = JournalMemory()
    var file: Int32
    var length: Int
    /// Why nothing can be written any more.
    var failure: FleetError?
    var waiting: [Waiting] = []
    var isWriting = false
  }

  private struct Waiting {
    let line: JournalLine
    let continuation: CheckedContinuation<FleetError?, Never>
  }

  /// The size at which the file is written anew with what still counts, in bytes.
  private static let maxLength = 256 << 20
  private static let magic = Array("telpher-fleet-journal-1\n".utf8)

  /// Opens the journal in a folder, which must exist, and makes it if it is missing. Blocks.
  ///
  /// - Parameter now: milliseconds since 1970.
  /// - Throws: `FleetError`: `local` if the folder can't be used, or another process has it.
  package init(in folder: String, now: Int64) throws(FleetError) {
    path = folder + "/jobs.journal"
    // The lock is on a file of its own: the journal is replaced.
    let lock = open(folder + "/worker.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard lock >= 0 else { throw Self.failure("open \(folder)/worker.lock") }
    guard Self.take(lock) else {
      let number = errno
      close(lock)
      guard number == EWOULDBLOCK else { throw Self.failure("lock \(folder)", number) }
      throw FleetError(.local, "another worker uses \(folder): give each its own --state folder")
    }
    self.lock = lock
    do throws(FleetError) {
      let (id, memory) = try Self.load(path, now: now)
      self.id = id
      let (file, length) = try Self.rewrite(path, id, memory)
      state = Mutex(State(memory: memory, file: file, length: length))
    } catch {
      close(lock)
      throw error
    }
  }

  /// How often the lock is tried, and the pause in between in microseconds. A program that another
  /// process is just starting may still have it for a moment.
  private static let attempts = 100
  private static let pause: UInt32 = 10_000

  /// Takes the lock. Blocks for a second at most.
  private static func take(_ lock: Int32) -> Bool {
    for _ in 1..<attempts {
      if flock(lock, LOCK_EX | LOCK_NB) == 0 { return true }
      usleep(pause)
    }
    return flock(lock, LOCK_EX | LOCK_NB) == 0
  }

  deinit {
    state.withLock { _ = close($0.file) }
    close(lock)
  }

  /// The id and the entries of a file; a new id if there is none.
  private static func load(
    _ path: String, now: Int64
  ) throws(FleetError) -> (JobID, JournalMemory) {
    var memory = JournalMemory()
    guard let bytes = try read(path) else { return (.random(), memory) }
    guard bytes.count >= magic.count + 16, bytes.starts(with: magic) else {
      throw FleetError(.local, "\(path) is not the journal of a worker of this version")
    }
    memory.load(bytes, from: magic.count + 16)
    memory.prune(now: now)
    return (JobID(bytes: bytes[magic.count...].prefix(16)), memory)
  }

  /// The jobs with something left to do, with their payloads.
  package var unfinished: [(job: JobID, entry: JournalEntry, payload: [UInt8])] {
    state.withLock { state in state.memory.jobs.map { ($0.key, $0.value.entry, $0.value.payload) } }
  }

  /// Whether the job was done before.
  package func isDone(_ job: JobID) -> Bool { state.withLock { $0.memory.done[job] != nil } }

  /// Stores the newest entry of a job, and returns when it is in the file or, if it must be, on the
  /// disk.
  ///
  /// - Parameters:
  ///   - payload: the job's, for an entry that begins an attempt.
  ///   - now: milliseconds since 1970.
  /// - Throws: `FleetError`: `full` if there is no room on the disk: the entry is not in the file then,
  ///   and can be stored later. `local` if the file can't be written: it is of no use any more then.
  package func store(
    _ entry: JournalEntry, of job: JobID, payload: [UInt8], now: Int64
  ) async throws(FleetError) {
    let line = JournalLine(job, entry, payload, now)
    let failure = await withCheckedContinuation { continuation in
      let starts = state.withLock { state in
        state.waiting.append(Waiting(line: line, continuation: continuation))
        defer { state.isWriting = true }
        return !state.isWriting
      }
      guard starts else { return }
      do throws(FileError) { try thread.run { [self] in writeAll() } } catch { writeAll() }
    }
    if let failure { throw failure }
  }

  /// Writes what waits, until nothing waits.
  private func writeAll() {
    while true {
      let (batch, file, length, failure) = state.withLock { state in
        defer { state.waiting = [] }
        if state.waiting.isEmpty { state.isWriting = false }
        return (state.waiting, state.file, state.length, state.failure)
      }
      guard !batch.isEmpty else { return }
      let outcome = failure ?? Self.append(batch.map(\.line), to: file, at: length, path)
      state.withLock { state in
        guard outcome == nil else {
          if outcome?.code != .full { state.failure = outcome }
          return
        }
        for waiting in batch {
          state.memory.apply(waiting.line)
          state.length += waiting.line.encoded.count
        }
        guard state.length > Self.maxLength else { return }
        state.memory.prune(now: batch[batch.count - 1].line.time)
        do throws(FleetError) {
          let (file, length) = try Self.rewrite(path, id, state.memory)
          close(state.file)
          (state.file, state.length) = (file, length)
        } catch {
          // The old file is still there, and complete.
          if error.code != .full { state.failure = error }
        }
      }
      for waiting in batch { waiting.continuation.resume(returning: outcome) }
    }
  }

  private static func append(
    _ lines: [JournalLine], to file: Int32, at offset: Int, _ path: String
  ) -> FleetError? {
    let bytes = lines.flatMap(\.encoded)
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes {
        pwrite(file, $0.baseAddress, $0.count, off_t(offset + written))
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        let error = failure("write \(path)")
        // The callers get an error for all of these entries, so a restart must not find some of them.
        guard error.code != .full || ftruncate(file, off_t(offset)) == 0 else {
          return failure("cut \(path)")
        }
        return error
      }
      written += count
    }
    if lines.contains(where: \.mustBeFlushed), fdatasync(file) != 0 {
      return failure("flush \(path)")
    }
    return nil
  }

  // MARK: Files

  /// Writes what counts into a new file that takes the place of the old one.
  private static func rewrite(
    _ path: String, _ id: JobID, _ memory: JournalMemory
  ) throws(FleetError) -> (file: Int32, length: Int) {
    let new = path + ".new"
    let file = open(new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { throw failure("make \(new)") }
    let bytes = magic + id.bytes + memory.lines.flatMap(\.encoded)
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      written += count
    }
    guard written == bytes.count, fsync(file) == 0, rename(new, path) == 0 else {
      let error = failure("write \(new)")
      close(file)
      unlink(new)
      throw error
    }
    let folder = open(String(path[..<path.lastIndex(of: "/")!]), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { close(folder) }
    guard folder >= 0, fsync(folder) == 0 else {
      let error = failure("flush the folder of \(path)")
      close(file)
      throw error
    }
    return (file, bytes.count)
  }

  /// The bytes of the file; nil if there is none.
  private static func read(_ path: String) throws(FleetError) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else {
      if errno == ENOENT { return nil }
      throw failure("open \(path)")
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure("read \(path)") }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    var count = 0
    while count < bytes.count {
      let taken = bytes.withUnsafeMutableBytes { [count] in
        Glibc.read(file, $0.baseAddress! + count, $0.count - count)
      }
      if taken < 0 && errno == EINTR { continue }
      guard taken >= 0 else { throw failure("read \(path)") }
      if taken == 0 { break }
      count += taken
    }
    return Array(bytes.prefix(count))
  }

  /// What a disk, a quota or a limit of file sizes without room says.
  private static let noRoom = [ENOSPC, EDQUOT, EFBIG]

  private static func failure(_ what: String, _ number: Int32 = errno) -> FleetError {
    FleetError(
      noRoom.contains(number) ? .full : .local, "cannot \(what): \(describe(errno: number))")
  }
}
