internal import DequeModule
internal import Synchronization
internal import TelpherAccess
internal import TelpherTransport
internal import TelpherWire

/// The id of a job in its server's table.
enum JobID: Hashable, Sendable, Comparable {
  /// Chosen by the client, which can attach another stream to the job by opening this id again.
  case named(String)
  /// Chosen by the server for a command without an id. No other stream can attach to it.
  case numbered(UInt64)
}

extension JobID {
  /// Numbers in the order of the commands' starts, then names.
  static func < (a: JobID, b: JobID) -> Bool {
    switch (a, b) {
    case (.numbered(let a), .numbered(let b)): a < b
    case (.named(let a), .named(let b)): a < b
    case (.numbered, .named): true
    case (.named, .numbered): false
    }
  }
}

/// The jobs of a server, on all of its loops. The table owns each job under its owner and id while it
/// runs, so that a repeated OPEN never runs a job twice, and keeps a limited number of results for a
/// limited time. An id means nothing but to its owner: two clients may use the same one. May be used from any thread; a job itself only from its loop's.
final class JobTable: Sendable {
  /// The answer to a job that asks to run.
  enum Admission {
    /// The job is in the table: the caller starts it now.
    case admitted
    /// This job has the id and runs on the caller's loop.
    case running(Running)
    /// A job on another loop has the id.
    case runningElsewhere
    /// The job with the id has finished with this result.
    case finished(CloseResult)
    /// The server runs as many jobs as it may.
    case full
    /// The owner of the job has as many as it may.
    case ownerIsFull
  }

  /// A running job. Any thread may hold this value; only the thread of `loop` may use the job.
  struct Running: @unchecked Sendable {
    let job: CommandJob
    /// What any thread may know of it.
    let view: CommandView
    fileprivate let home: any EventLoop
    fileprivate var loop: ObjectIdentifier { ObjectIdentifier(home) }

    /// Calls `body` with the job on its loop's thread, if the loop still runs.
    func onItsLoop(_ body: @escaping @Sendable (CommandJob) -> Void) {
      home.execute { body(job) }
    }
  }

  /// A limit for the commands of one owner.
  struct OwnerLimit {
    /// The most commands and durable jobs at once.
    let most: Int
    /// Its durable jobs that run.
    let liveJobs: Int
    /// Those that were on their way to the job host before `liveJobs` was read.
    let passedJobs: Int
  }

  private enum Entry {
    /// Next: finished, or no entry if the job has no name or did not start.
    case running(Running)
    /// With the time of its end. Next: no entry.
    case finished(CloseResult, at: UInt64)
  }

  private struct Key: Hashable {
    let owner: Identity
    let id: JobID

    init(_ job: CommandJob) { (owner, id) = (job.view.owner, job.id) }
    init(_ owner: Identity, _ id: JobID) { (self.owner, self.id) = (owner, id) }
  }

  private struct State {
    var entries: [Key: Entry] = [:]
    /// The finished jobs, oldest first, with the times of their ends. One whose entry has expired
    /// and was replaced stays in the line until it is the oldest.
    var finished: Deque<(key: Key, at: UInt64)> = []
    /// The number of running jobs of each loop, and of all loops.
    var running: [ObjectIdentifier: Int] = [:]
    var totalRunning = 0
    /// The durable jobs of each owner that are on their way to the job host, which may not count them
    /// yet.
    var passed: [Identity: Int] = [:]

    mutating func add(_ new: Running, under key: Key) {
      entries[key] = .running(new)
      running[new.loop, default: 0] += 1
      totalRunning += 1
    }

    /// How many jobs of `owner` run.
    func running(of owner: Identity) -> Int {
      entries.count { key, entry in
        guard key.owner == owner, case .running = entry else { return false }
        return true
      }
    }

    /// Whether `owner` has as many commands and durable jobs as it may. A job may be counted twice for a
    /// moment, but none is missed.
    func isFull(_ owner: Identity, _ limit: OwnerLimit) -> Bool {
      let durable = limit.liveJobs + max(limit.passedJobs, passed[owner] ?? 0)
      return running(of: owner) + durable >= limit.most
    }

    mutating func removeRunning(_ key: Key) {
      guard case .running(let old) = entries.removeValue(forKey: key) else {
        preconditionFailure("a job is removed once, by its loop")
      }
      running[old.loop, default: 0] -= 1
      totalRunning -= 1
    }
  }

  private let state = Mutex(State())
  private let lastNumber = Atomic<UInt64>(0)
  private let maxRunning: Int
  private let maxResults: Int
  private let keepFor: UInt64

  /// - Parameters:
  ///   - maxRunning: the most running jobs.
  ///   - maxResults: the most results.
  ///   - keepFor: how long a result is kept, in nanoseconds.
  init(maxRunning: Int, maxResults: Int, keepFor: UInt64) {
    self.maxRunning = maxRunning
    self.maxResults = maxResults
    self.keepFor = keepFor
  }

  /// The id for a job with the client's id `name`; nil for a command without one.
  func id(_ name: String?) -> JobID {
    name.map(JobID.named) ?? .numbered(lastNumber.add(1, ordering: .relaxed).newValue)
  }

  /// The number of running jobs.
  var running: Int { state.withLock { $0.totalRunning } }

  /// The running jobs of `loop`. On that loop's thread only.
  func jobs(on loop: any EventLoop) -> [CommandJob] {
    let loop = ObjectIdentifier(loop)
    let jobs: [Running] = state.withLock { state in
      state.entries.values.compactMap { entry in
        if case .running(let running) = entry, running.loop == loop { running } else { nil }
      }
    }
    return jobs.map(\.job)
  }

  /// The running jobs of all loops with an id after `last`, in the order of their ids: those of
  /// `client`, or if it `reachesAll`, of every client.
  func views(after last: JobID?, for client: Identity, reachesAll: Bool) -> [CommandView] {
    let views: [CommandView] = state.withLock { state in
      state.entries.compactMap { key, entry in
        guard case .running(let running) = entry, last.map({ $0 < key.id }) ?? true,
          reachesAll || client == key.owner
        else { return nil }
        return running.view
      }
    }
    return views.sorted { $0.id < $1.id }
  }

  /// The running job of `client` with that id, on any loop; if it `reachesAll`, of every client. Nil if
  /// none runs.
  func running(_ id: JobID, for client: Identity, reachesAll: Bool) -> Running? {
    state.withLock { state in
      if case .running(let own) = state.entries[Key(client, id)] { return own }
      guard reachesAll else { return nil }
      for (key, entry) in state.entries where key.id == id {
        if case .running(let running) = entry { return running }
      }
      return nil
    }
  }

  /// Whether a job that does not run has ended, if `client` may know that; else false.
  func hasEnded(_ id: JobID, for client: Identity, reachesAll: Bool) -> Bool {
    switch id {
    case .numbered(let number):
      // Another client's command with this number may still run.
      reachesAll && number > 0 && number <= lastNumber.load(ordering: .relaxed)
    case .named:
      state.withLock { state in
        if case .finished = state.entries[Key(client, id)] { true } else { false }
      }
    }
  }

  /// Whether a job runs on `loop`.
  func hasJobs(on loop: any EventLoop) -> Bool {
    state.withLock { $0.running[ObjectIdentifier(loop)] ?? 0 > 0 }
  }

  /// Adds `job`, which has not started, unless its id is in the table.
  ///
  /// - Parameters:
  ///   - loop: the loop of the job and of the caller.
  ///   - now: the loop's time.
  ///   - ownerLimit: the limit of its owner; nil for none.
  func admit(
    _ job: CommandJob, on loop: any EventLoop, now: UInt64, ownerLimit: OwnerLimit? = nil
  ) -> Admission {
    let new = Running(job: job, view: job.view, home: loop)
    let key = Key(job)
    return state.withLock { state in
      switch state.entries[key] {
      case .running(let running):
        return running.loop == new.loop ? .running(running) : .runningElsewhere
      case .finished(let result, let at):
        if !isExpired(at, now) { return .finished(result) }
        state.entries[key] = nil
      case nil: break
      }
      guard state.totalRunning < maxRunning else { return .full }
      if let ownerLimit, state.isFull(key.owner, ownerLimit) { return .ownerIsFull }
      state.add(new, under: key)
      return .admitted
    }
  }

  /// The durable jobs of `owner` that are on their way to the job host.
  func passedJobs(of owner: Identity) -> Int { state.withLock { $0.passed[owner] ?? 0 } }

  /// Counts a durable job that is passed on to the job host, until `didPassJob`.
  ///
  /// - Returns: how many commands of its owner run here; nil if the owner has as many commands and jobs
  ///   as it may, and the job is not counted.
  func passJob(of owner: Identity, _ limit: OwnerLimit) -> Int? {
    state.withLock { state in
      guard !state.isFull(owner, limit) else { return nil }
      state.passed[owner, default: 0] += 1
      return state.running(of: owner)
    }
  }

  /// The job host counts the job, or has refused it.
  func didPassJob(of owner: Identity) {
    state.withLock { state in
      guard let count = state.passed[owner], count > 0 else {
        preconditionFailure("each job is passed on once")
      }
      state.passed[owner] = count > 1 ? count - 1 : nil
    }
  }

  /// Removes a job that did not start; its id may be used again.
  func remove(_ job: CommandJob) {
    let key = Key(job)
    state.withLock { $0.removeRunning(key) }
  }

  /// Removes a job that has finished. Keeps the result of a job with a name that had started.
  func finish(_ job: CommandJob, _ result: CloseResult, now: UInt64) {
    guard job.isNamed, result.result != .notStarted else { return remove(job) }
    let key = Key(job)
    state.withLock { state in
      state.removeRunning(key)
      state.entries[key] = .finished(result, at: now)
      state.finished.append((key, now))
      while let oldest = state.finished.first,
        state.finished.count > maxResults || isExpired(oldest.at, now)
      {
        state.finished.removeFirst()
        // The id may have been used again since.
        if case .finished(_, oldest.at) = state.entries[oldest.key] {
          state.entries[oldest.key] = nil
        }
      }
    }
  }

  /// `now` may be before `at`: another loop may have read its clock later and got the lock earlier.
  private func isExpired(_ at: UInt64, _ now: UInt64) -> Bool { now > at && now - at >= keepFor }
}
