import TelpherTestSupport
import Testing

@testable import TelpherFleet

/// The promises of `JobDecision`, over all places where one or two things go wrong, and over random
/// courses of many.
@Suite struct JobDecisionTests {
  private static let once = JobVerdict.runs(.once)
  private static let retry = JobVerdict.runs(.retry(maxAttempts: 3))

  /// The most steps of a course. Each worker needs about 15.
  private static let limit = 400

  /// Goes on without further faults until nothing is left to do.
  private func complete(_ simulation: inout FleetSimulation) throws {
    var turn = 0
    for _ in 0..<Self.limit {
      while !simulation.late.isEmpty { simulation.arrive() }
      for index in 0..<2 {
        if simulation.workers[index].isForever { simulation.restart(index) }
        try simulation.advance(index)
      }
      if simulation.workers.allSatisfy({ $0.active == nil }) {
        // Nothing can be promised without a worker.
        if !simulation.isQueued || !simulation.workers.contains(where: \.isUp) { return }
        turn += 1
        simulation.deliver(to: turn % 2)
      }
    }
    Issue.record("the job does not end:\n\(simulation.log)")
  }

  private func check(_ simulation: FleetSimulation) {
    let log = { simulation.log }
    let runs = simulation.verdicts.compactMap { verdict -> Int? in
      if case .runs(let policy) = verdict { policy.maxAttempts } else { nil }
    }
    #expect(simulation.starts.count <= runs.max() ?? 0, "started too often:\n\(log())")
    #expect(
      Set(simulation.starts.map(\.attempt)).count == simulation.starts.count,
      "an attempt was started twice:\n\(log())")
    // What is known never changes.
    for (earlier, later) in zip(simulation.finals, simulation.finals.dropFirst()) {
      #expect(earlier.isProvisional, "\(later) has replaced \(earlier):\n\(log())")
    }
    guard simulation.workers.contains(where: \.isUp) else { return }
    if case .promised(let count) = simulation.canceler {
      #expect(simulation.starts.count == count, "it was canceled before:\n\(log())")
      // Those that ask conclude from the records that it is canceled.
      if simulation.finals.isEmpty { return }
    }
    guard let final = simulation.finals.last else {
      Issue.record("there is no final record:\n\(log())")
      return
    }
    #expect(!simulation.isQueued, "\(log())")
    // A worker that has seen an end, and is there, has told it.
    let seen = simulation.workers.filter(\.isForever).flatMap { $0.commands.values }
      .contains { if case .some(.ended(let end)) = $0 { end.status == .exited } else { false } }
    if seen {
      #expect(!final.isProvisional, "a result was lost:\n\(log())")
    }
    if case .ended = final.outcome { #expect(!simulation.starts.isEmpty, "\(log())") }
    switch final.outcome {
    case .dead, .exhausted:
      let dead = simulation.records[
        RecordName(.dead, FleetSimulation.job, of: FleetSimulation.queue)]
      #expect(dead?.payload == FleetSimulation.payload, "\(log())")
    case .ended, .lost, .canceled, .expired: break
    }
  }

  @Test func withoutFaultsAJobEndsWithItsResult() throws {
    for verdict in [Self.once, Self.retry] {
      var simulation = FleetSimulation([verdict, verdict])
      try complete(&simulation)
      check(simulation)
      #expect(simulation.finals.map(\.outcome) == [.ended(FleetSimulation.end)])
      #expect(simulation.starts.count == 1)
    }
  }

  /// Runs worker 0 with the job, and disturbs its steps with these numbers.
  private func run(
    _ verdicts: [JobVerdict], _ faults: [(step: Int, FleetSimulation.Fault)]
  ) throws -> FleetSimulation {
    var simulation = FleetSimulation(verdicts)
    simulation.deliver(to: 0)
    for step in 0...(faults.last?.step ?? 0) {
      let index = simulation.workers[0].active == nil ? 1 : 0
      if simulation.workers[index].active == nil {
        for other in 0..<2 where simulation.workers[other].isForever { simulation.restart(other) }
        simulation.deliver(to: index)
      }
      try simulation.advance(index, faults.first { $0.step == step }?.1)
    }
    try complete(&simulation)
    check(simulation)
    return simulation
  }

  @Test(arguments: [
    [once, once], [retry, retry], [once, .refused("x")], [.refused("x"), once],
    [.expired, retry], [.refused("x"), .refused("y")], [.expired, .expired], [retry, .expired],
  ])
  func oneFaultAtEachStep(_ verdicts: [JobVerdict]) throws {
    for fault in FleetSimulation.Fault.allCases {
      for step in 0..<20 {
        let simulation = try run(verdicts, [(step, fault)])
        if [.failsBefore, .failsAfter, .delayed, .cantStart, .journalFull].contains(fault) {
          // The broker's faults alone lose nothing, and neither do those of a start.
          #expect(simulation.finals.count == 1)
          #expect(simulation.finals.allSatisfy { !$0.isProvisional })
        }
      }
    }
  }

  @Test(arguments: [[once, once], [retry, retry]])
  func twoFaultsAtEachPairOfSteps(_ verdicts: [JobVerdict]) throws {
    for first in FleetSimulation.Fault.allCases {
      for second in FleetSimulation.Fault.allCases {
        for step in 0..<12 {
          for later in (step + 1)..<16 { _ = try run(verdicts, [(step, first), (later, second)]) }
        }
      }
    }
  }

  /// Both workers, the broker and the faults take turns at random.
  @Test(arguments: [[once, once], [retry, retry], [retry, .refused("x")], [.expired, once]])
  func randomCourses(_ verdicts: [JobVerdict]) throws {
    for seed in 0..<UInt64(1_500) {
      var generator = SeededGenerator(seed: seed)
      var simulation = FleetSimulation(verdicts)
      for _ in 0..<40 {
        let index = Int.random(in: 0...1, using: &generator)
        switch Int.random(in: 0..<(seed % 2 == 0 ? 10 : 11), using: &generator) {
        case 0: simulation.deliver(to: index)
        case 1: if simulation.workers[index].isForever { simulation.restart(index) }
        case 2: simulation.arrive()
        case 10: simulation.advanceCanceler()
        case 3:
          try simulation.advance(
            index, FleetSimulation.Fault.allCases.randomElement(using: &generator))
        default: try simulation.advance(index)
        }
      }
      try complete(&simulation)
      check(simulation)
    }
  }

  @Test func aGoneWorkersOnceJobIsLost() throws {
    var simulation = FleetSimulation([Self.once, Self.once])
    simulation.deliver(to: 0)
    while simulation.starts.isEmpty { try simulation.advance(0) }
    simulation.workers[0].isForever = false
    simulation.stop(0)
    try complete(&simulation)
    check(simulation)
    #expect(simulation.finals.map(\.outcome) == [.lost("its worker w0 is gone")])
    // The worker comes back: the end that it knows replaces the record that the job is lost.
    simulation.workers[0].isForever = true
    try complete(&simulation)
    simulation.restart(0)
    for _ in 0..<20 { try simulation.advance(0) }
    #expect(simulation.finals.last?.outcome == .ended(FleetSimulation.end))
    #expect(simulation.starts.count == 1)
  }

  @Test func aRetriedJobIsStartedAsOftenAsItMay() throws {
    let verdict = JobVerdict.runs(.retry(maxAttempts: 2))
    var simulation = FleetSimulation([verdict, verdict])
    for index in 0..<2 {
      simulation.deliver(to: index)
      let count = simulation.starts.count
      while simulation.starts.count == count { try simulation.advance(index) }
      simulation.workers[index].seemsGone = true
      simulation.stop(index, losesHost: true)
    }
    #expect(simulation.starts.map(\.attempt) == [1, 2])
    try complete(&simulation)
    check(simulation)
    #expect(simulation.finals.last?.outcome.name == "exhausted")
    #expect(simulation.starts.count == 2)
  }

  @Test func aPoisonedJobIsDeadWithItsReason() throws {
    let verdict = JobVerdict.refused("its signature is wrong")
    var simulation = FleetSimulation([verdict, verdict])
    try complete(&simulation)
    check(simulation)
    #expect(simulation.finals.map(\.outcome) == [.dead("its signature is wrong")])
  }

  @Test func whatIsCanceledBeforeItsStartNeverRuns() throws {
    var simulation = FleetSimulation([Self.retry, Self.retry])
    simulation.deliver(to: 0)
    try simulation.advance(0)
    simulation.workers[0].active?.decision.cancel()
    try complete(&simulation)
    check(simulation)
    #expect(simulation.starts.isEmpty)
    #expect(simulation.finals.map(\.outcome) == [.canceled(nil)])
  }

  /// Worker 0 is about to start the command.
  private func launching(_ verdict: JobVerdict) throws -> FleetSimulation {
    var simulation = FleetSimulation([verdict, verdict])
    simulation.deliver(to: 0)
    while true {
      if case .launch = simulation.workers[0].active?.step { return simulation }
      try simulation.advance(0)
    }
  }

  @Test(arguments: [once, retry]) func whatAWorkerCantStartIsStartedByAnotherOne(
    _ verdict: JobVerdict
  ) throws {
    var simulation = try launching(verdict)
    try simulation.advance(0, .cantStart)
    for _ in 0..<20 { try simulation.advance(0) }
    #expect(simulation.workers[0].finished == .released("the disk is full"))
    // Nothing is left to do for it, even if it never comes back.
    #expect(simulation.workers[0].entry == nil)
    simulation.workers[0].isForever = false
    simulation.stop(0, losesPower: true)
    simulation.deliver(to: 1)
    try complete(&simulation)
    check(simulation)
    #expect(simulation.finals.map(\.outcome) == [.ended(FleetSimulation.end)])
    #expect(simulation.starts.map(\.worker) == [1])
    #expect(simulation.starts.map(\.attempt) == [1])
  }

  /// The other worker can't start it either: both give it away again and again, and then one can.
  @Test func aJobMayBeGivenAwayManyTimes() throws {
    var simulation = FleetSimulation([Self.once, Self.once])
    for turn in 0..<10 {
      simulation.deliver(to: turn % 2)
      while let active = simulation.workers[turn % 2].active {
        if case .launch = active.step {
          try simulation.advance(turn % 2, .cantStart)
        } else {
          try simulation.advance(turn % 2)
        }
      }
    }
    #expect(simulation.starts.isEmpty && simulation.isQueued)
    try complete(&simulation)
    check(simulation)
    #expect(simulation.finals.map(\.outcome) == [.ended(FleetSimulation.end)])
  }

  /// A worker that is killed at any step of giving a job away has not started the job, and knows it.
  @Test(arguments: [FleetSimulation.Fault.killed, .killedAfter, .powerLoss])
  func whatCouldNotBeStartedIsNotLostWithItsWorker(_ fault: FleetSimulation.Fault) throws {
    for step in 1..<6 {
      var simulation = try launching(Self.once)
      try simulation.advance(0, .cantStart)
      for _ in 1..<step { try simulation.advance(0) }
      // Before the entry is on the disk, the journal says that the attempt may have been started.
      if step == 1, fault != .killedAfter { continue }
      try simulation.advance(0, fault)
      try complete(&simulation)
      check(simulation)
      #expect(simulation.finals.map(\.outcome) == [.ended(FleetSimulation.end)], "\(step)")
      #expect(simulation.starts.count == 1)
    }
  }

  /// A claim is given away only as long as it is this worker's.
  @Test func aClaimThatAnotherWorkerHasTakenOverIsNotGivenAway() throws {
    var simulation = try launching(Self.retry)
    try simulation.advance(0, .cantStart)
    simulation.workers[0].seemsGone = true
    simulation.deliver(to: 1)
    while simulation.starts.isEmpty { try simulation.advance(1) }
    for _ in 0..<20 { try simulation.advance(0) }
    #expect(simulation.workers[0].finished == .foreign)
    try complete(&simulation)
    check(simulation)
    #expect(simulation.starts.map(\.worker) == [1])
    #expect(simulation.starts.map(\.attempt) == [2])
  }

  /// A submitter cancels the job between any two steps of a worker: either it learns that the worker has
  /// the job, or the job is never started.
  @Test(arguments: [[once, once], [retry, retry], [.refused("x"), once], [.expired, once]])
  func aJobIsCanceledBetweenAnySteps(_ verdicts: [JobVerdict]) throws {
    var outcomes: Set<String> = []
    for first in 0..<14 {
      for second in first..<14 {
        for fault in [nil, FleetSimulation.Fault.cantStart, .killed, .delayed, .seemsGone] {
          for step in (fault == nil ? 0..<1 : 0..<12) {
            var simulation = FleetSimulation(verdicts)
            simulation.deliver(to: 0)
            for turn in 0..<14 {
              if turn == first { simulation.advanceCanceler() }
              if turn == second { simulation.advanceCanceler() }
              simulation.restart(0)
              try simulation.advance(0, turn == step ? fault : nil)
            }
            try complete(&simulation)
            check(simulation)
            guard case .promised(starts: 0) = simulation.canceler else { continue }
            for final in simulation.finals where !final.isProvisional {
              outcomes.insert(final.outcome.name)
            }
          }
        }
      }
    }
    // A worker that has the job then says the same.
    #expect(outcomes.subtracting(["canceled"]).isSubset(of: ["dead", "expired"]))
    if verdicts[0] == Self.once { #expect(outcomes == ["canceled"]) }
  }

  @Test func aWorkerThatHasLostItsJournalIsAnotherOne() throws {
    let name = WorkerName("a")!
    let before = ClaimHolder(ClaimOwner(name, journal: .random()), attempt: 1)
    let now = ClaimOwner(name, journal: .random())
    var (decision, step) = JobDecision.begin(
      FleetSimulation.job, of: FleetSimulation.queue, [], by: now, Self.once, isDone: false)
    #expect(
      step == .read(RecordName(.result, FleetSimulation.job, of: FleetSimulation.queue)))
    _ = try decision.receive(.read(nil))
    _ = try decision.receive(.journaled)
    let record = Record(payload: Claim.run(before).payload, revision: Revision(7))
    step = try decision.receive(.wrote(.conflict(record)))
    #expect(step == .find(before.owner))
    guard
      case .write(
        RecordName(.result, FleetSimulation.job, of: FleetSimulation.queue), let payload, nil) =
        try decision.receive(.found(false))
    else {
      Issue.record("the job is not lost")
      return
    }
    let final = try FinalRecord(payload: payload, of: FleetSimulation.job)
    #expect(final.outcome == .lost("its worker a is gone"))
  }

  @Test func aRecordThatCantBeReadIsAnError() {
    var (decision, _) = JobDecision.begin(
      FleetSimulation.job, of: FleetSimulation.queue, [],
      by: ClaimOwner(WorkerName("a")!, journal: .random()), Self.once, isDone: false)
    #expect(throws: FleetError.self) {
      try decision.receive(.read(Record(payload: [1], revision: Revision(1))))
    }
  }
}
