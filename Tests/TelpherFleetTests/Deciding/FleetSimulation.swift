@testable import TelpherFleet

/// One job, two workers and a broker, one event after the other: what the tests of `JobDecision`
/// explore. Everything may fail: calls before or after the broker has acted, writes that arrive late,
/// processes and machines that end at any step, workers that others believe to be gone.
struct FleetSimulation {
  /// What can go wrong with a step.
  enum Fault: CaseIterable {
    /// The call fails, and nothing has happened.
    case failsBefore
    /// The call fails, but the broker has done it.
    case failsAfter
    /// The call fails, and the broker does it at any later time.
    case delayed
    /// The worker's process is killed before the step. Its journal and its commands continue.
    case killed
    /// The worker's process is killed after the broker or the journal has done the step.
    case killedAfter
    /// The machine loses its power: also what was not flushed, and the commands.
    case powerLoss
    /// The process that keeps the command is killed, and the worker's too.
    case hostLost
    /// The worker's process is killed for good.
    case gone
    /// Others believe that the worker is gone.
    case seemsGone
    /// The broker gives the job to the other worker too.
    case deliveredTwice
    /// The worker lacks what it needs to start the command.
    case cantStart
    /// The worker's disk has no room for its journal.
    case journalFull
    /// Someone asks the worker to cancel the job.
    case canceled
  }

  struct Worker {
    let owner: ClaimOwner
    var isUp = true
    var isForever = true
    var seemsGone = false
    /// The journal as a killed process leaves it, and as a machine without power does.
    var entry: JournalEntry?
    var flushed: JournalEntry?
    var active: (decision: JobDecision, step: JobStep)?
    /// The commands that were started here, by attempt: nil while one runs.
    var commands: [Int: RunOutcome?] = [:]
    var finished: JobStep.Finish?
  }

  let verdicts: [JobVerdict]
  var workers: [Worker]
  var records: [RecordName: Record] = [:]
  var late: [(name: RecordName, payload: [UInt8], expected: Revision?)] = []
  var revision: UInt64 = 0
  var isQueued = true
  /// The attempts that were started, by worker.
  var starts: [(worker: Int, attempt: Int)] = []
  /// All final records that were stored, in order.
  var finals: [FinalRecord] = []
  var isCanceled = false
  /// How far a submitter is that cancels the job.
  var canceler = Canceler.idle
  private var events: [Event] = []

  /// The steps of a submitter that cancels the job: it writes a record, and then reads the claim.
  enum Canceler: Equatable {
    case idle
    case reading
    /// No worker had the job, so no further start may follow. The attempts until then.
    case promised(starts: Int)
    /// A worker has the job, and is asked to end it.
    case asked
  }

  /// What has happened, for the message of a failed test.
  private enum Event {
    case delivered(Int)
    case restarted(Int, JournalEntry?)
    case arrived
    case canceling(Canceler)
    case advanced(Int, JobStep, Fault?)
  }

  var log: String {
    events.map { event in
      switch event {
      case .delivered(let index): "\(index): delivered"
      case .restarted(let index, let entry): "\(index): restarted from \(String(describing: entry))"
      case .arrived: "a late write arrived"
      case .canceling(let state): "canceling: \(state)"
      case .advanced(let index, .write(let name, let payload, let expected), let fault):
        "\(index): write \(name.kind) \(String(decoding: payload, as: UTF8.self)) expecting \(String(describing: expected?.number)) \(fault.map { "\($0)" } ?? "")"
      case .advanced(let index, let step, let fault):
        "\(index): \(step) \(fault.map { "\($0)" } ?? "")"
      }
    }.joined(separator: "\n")
  }

  static let job = JobID("00112233445566778899aabbccddeeff")!
  static let queue = QueueName("web")!
  static let payload: [UInt8] = Array("payload".utf8)
  static let end = JobEnd(.exited, code: 0, startedMS: 1, endedMS: 2)

  init(_ verdicts: [JobVerdict]) {
    self.verdicts = verdicts
    workers = (0..<2).map { index in
      Worker(
        owner: ClaimOwner(
          WorkerName("w\(index)")!,
          journal: JobID(bytes: [UInt8](repeating: UInt8(index), count: 16))))
    }
  }

  // MARK: Events

  /// The broker gives the job to a worker that is free.
  mutating func deliver(to index: Int) {
    guard isQueued, workers[index].isUp, workers[index].active == nil else { return }
    let isDone = workers[index].entry == .done
    workers[index].finished = nil
    workers[index].active = JobDecision.begin(
      Self.job, of: Self.queue, Self.payload, by: workers[index].owner, verdicts[index],
      isDone: isDone)
    events.append(.delivered(index))
  }

  /// A worker starts again and goes on from its journal.
  mutating func restart(_ index: Int) {
    guard !workers[index].isUp else { return }
    workers[index].isUp = true
    events.append(.restarted(index, workers[index].entry))
    guard let entry = workers[index].entry else { return }
    workers[index].active = JobDecision.resume(
      Self.job, of: Self.queue, Self.payload, by: workers[index].owner, verdicts[index],
      from: entry)
  }

  mutating func stop(_ index: Int, losesPower: Bool = false, losesHost: Bool = false) {
    workers[index].isUp = false
    workers[index].active = nil
    if losesPower { workers[index].entry = workers[index].flushed }
    guard losesPower || losesHost else { return }
    for (attempt, outcome) in workers[index].commands where outcome == nil {
      workers[index].commands[attempt] = .some(.unknown("its host was lost"))
    }
  }

  /// A submitter goes on with canceling the job.
  mutating func advanceCanceler() {
    switch canceler {
    case .idle:
      _ = apply(RecordName(.cancel, Self.job, of: Self.queue), Array("cancel".utf8), nil)
      canceler = .reading
    case .reading:
      let record = records[RecordName(.claim, Self.job, of: Self.queue)]
      switch record.map({ try! Claim(payload: $0.payload, of: Self.job) }) {
      case nil, .free, .end:
        isQueued = false
        canceler = .promised(starts: starts.count)
      case .run: canceler = .asked
      }
    case .promised, .asked: return
    }
    events.append(.canceling(canceler))
  }

  /// A write that was delayed arrives.
  mutating func arrive() {
    guard !late.isEmpty else { return }
    let write = late.removeFirst()
    events.append(.arrived)
    _ = apply(write.name, write.payload, write.expected)
  }

  /// Performs the next step of a worker, disturbed by `fault`.
  mutating func advance(_ index: Int, _ fault: Fault? = nil) throws {
    guard workers[index].isUp, let (decision, step) = workers[index].active else { return }
    events.append(.advanced(index, step, fault))
    switch fault {
    case .failsBefore: return
    case .failsAfter:
      _ = perform(step, index)
      return
    case .delayed:
      guard case .write(let name, let payload, let expected) = step else { return }
      return late.append((name, payload, expected))
    case .killed: return stop(index)
    case .killedAfter:
      _ = perform(step, index)
      return stop(index)
    case .powerLoss: return stop(index, losesPower: true)
    case .hostLost: return stop(index, losesHost: true)
    case .gone:
      workers[index].isForever = false
      return stop(index)
    case .seemsGone: workers[index].seemsGone = true
    case .deliveredTwice: deliver(to: 1 - index)
    case .canceled:
      isCanceled = true
      workers[index].active?.decision.cancel()
      if decision.isRunning {
        for (attempt, outcome) in workers[index].commands where outcome == nil {
          workers[index].commands[attempt] = .some(
            .ended(JobEnd(.canceled, startedMS: 1, endedMS: 2)))
        }
      }
    case .cantStart, .journalFull, nil: break
    }
    guard let (_, step) = workers[index].active else { return }
    var outcome: JobInput?
    if fault == .cantStart, case .launch(let attempt) = step,
      workers[index].commands[attempt] == nil
    {
      outcome = .ran(.notStarted("the disk is full"))
    } else if fault == .journalFull, case .journal = step {
      outcome = .notJournaled("the disk is full")
    } else {
      outcome = perform(step, index)
    }
    guard let input = outcome else { return }
    let next = try workers[index].active!.decision.receive(input)
    if case .finish(let finish) = next {
      workers[index].finished = finish
      workers[index].active = nil
    } else {
      workers[index].active!.step = next
    }
  }

  // MARK: Steps

  /// Does a step and returns its outcome; nil if there is none yet.
  private mutating func perform(_ step: JobStep, _ index: Int) -> JobInput? {
    switch step {
    case .read(let name): return .read(records[name])
    case .write(let name, let payload, let expected):
      return .wrote(apply(name, payload, expected))
    case .journal(let entry):
      workers[index].entry = entry == .dropped ? nil : entry
      if entry.mustBeFlushed { workers[index].flushed = entry }
      return .journaled
    case .find(let owner):
      let other = workers.first { $0.owner == owner }!
      return .found(other.isUp && !other.seemsGone)
    case .launch(let attempt):
      if workers[index].commands[attempt] == nil {
        workers[index].commands[attempt] = .some(nil)
        starts.append((index, attempt))
        return nil
      }
      return outcome(of: attempt, index)
    case .reattach(let attempt):
      guard workers[index].commands[attempt] != nil else { return .ran(.unknown("no such job")) }
      return outcome(of: attempt, index)
    case .settle(let settlement):
      if settlement == .done || settlement == .never { isQueued = false }
      return .settled
    case .finish: preconditionFailure("it is taken out before")
    }
  }

  /// The end of a command, which ends when it is asked for.
  private mutating func outcome(of attempt: Int, _ index: Int) -> JobInput? {
    if case .some(.some(let outcome)) = workers[index].commands[attempt] { return .ran(outcome) }
    workers[index].commands[attempt] = .some(.ended(Self.end))
    return .ran(.ended(Self.end))
  }

  private mutating func apply(
    _ name: RecordName, _ payload: [UInt8], _ expected: Revision?
  ) -> WriteOutcome {
    if let current = records[name], current.revision == expected || current.payload == payload {
      guard current.revision == expected else { return .written(current.revision) }
    } else if records[name] != nil || expected != nil {
      return .conflict(records[name])
    }
    revision += 1
    records[name] = Record(payload: payload, revision: Revision(revision))
    if name.kind == .result {
      finals.append(try! FinalRecord(payload: payload, of: Self.job))
    }
    return .written(Revision(revision))
  }
}
