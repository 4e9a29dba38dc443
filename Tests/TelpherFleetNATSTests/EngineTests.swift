import TelpherFleet
import TelpherFleetNATS
import TelpherNATS
import TelpherTestSupport
import Testing

/// What the fleet demands of a broker, on a real nats-server.
@Suite(.enabled(if: NATSServer.program != nil, NATSServer.missing))
struct EngineTests {
  private static let web = FleetStage.web

  @Test func `A fleet is set up once, and other settings are refused`() async throws {
    try await FleetStage.with { stage in
      let fleet = try await stage.connect()
      #expect(try await code { try await fleet.addQueue(Self.web) } == .absent)
      #expect(
        try await code { _ = try await fleet.submit([1], id: .random(), to: Self.web) } == .absent)
      try await fleet.setUp(stage.settings)
      try await fleet.setUp(stage.settings)
      try await fleet.addQueue(Self.web)
      try await fleet.addQueue(Self.web)
      var other = stage.settings
      other.jobAge = .seconds(60)
      #expect(try await code { try await fleet.setUp(other) } == .refused)
      #expect(try await fleet.queues() == [QueueInfo(name: Self.web, waiting: 0, taken: 0)])
    }
  }

  @Test func `A job is submitted once, delivered, given back, delivered again and settled`()
    async throws
  {
    try await FleetStage.with { stage in
      let fleet = try await stage.fleet()
      let id = JobID.random()
      #expect(try await fleet.next(of: Self.web, within: .milliseconds(20)) == nil)
      let waiting = Task { try await fleet.next(of: Self.web, within: .seconds(600)) }
      #expect(try await fleet.submit([1, 2], id: id, to: Self.web) == .accepted)
      #expect(try await fleet.submit([1, 2], id: id, to: Self.web) == .duplicate)
      let first = try #require(try await waiting.value)
      #expect(first.job == id && first.queue == Self.web && first.payload == [1, 2])
      #expect(try await fleet.queues() == [QueueInfo(name: Self.web, waiting: 0, taken: 1)])
      try await fleet.settle(first, .working)
      try await fleet.settle(first, .later(.milliseconds(1)))
      let second = try #require(try await fleet.next(of: Self.web, within: .seconds(600)))
      #expect(second.job == id)
      try await fleet.settle(second, .done)
      // A delivery that is over is no error.
      try await fleet.settle(second, .done)
      #expect(try await fleet.queues() == [QueueInfo(name: Self.web, waiting: 0, taken: 0)])
      #expect(try await fleet.queued(after: nil, limit: 10) == [])
    }
  }

  @Test func `Queued jobs are listed in pages and removed`() async throws {
    try await FleetStage.with { stage in
      let fleet = try await stage.fleet()
      let own = QueueName.worker(FleetName("A")!)
      try await fleet.addQueue(own)
      let jobs = (0..<7).map { _ in JobID.random() }
      for (number, job) in jobs.enumerated() {
        _ = try await fleet.submit([UInt8(number)], id: job, to: number == 3 ? own : Self.web)
      }
      var found: [QueuedJob] = []
      while true {
        let page = try await fleet.queued(after: found.last?.position, limit: 3)
        found += page
        if page.count < 3 { break }
      }
      #expect(found.map(\.job) == jobs)
      #expect(found.map(\.payload) == (0..<7).map { [UInt8($0)] })
      #expect(found.map(\.queue) == (0..<7).map { $0 == 3 ? own : Self.web })
      for job in found.dropFirst() { try await fleet.remove(job) }
      try await fleet.remove(found[1])
      #expect(try await fleet.queued(after: nil, limit: 10).map(\.job) == [jobs[0]])
    }
  }

  @Test func `All of a job is found among those of others`() async throws {
    try await FleetStage.with { stage in
      let fleet = try await stage.fleet()
      let own = QueueName.worker(FleetName("A")!)
      try await fleet.addQueue(own)
      #expect(try await fleet.has(own))
      #expect(try await !fleet.has(.worker(FleetName("B")!)))
      let jobs = (0..<5).map { _ in JobID.random() }
      #expect(try await fleet.traces(of: jobs[0]) == JobTraces(queued: [], records: []))
      for (number, job) in jobs.enumerated() {
        _ = try await fleet.submit([UInt8(number)], id: job, to: number == 3 ? own : Self.web)
        for kind in [RecordName.Kind.claim, .result, .cancel] where number > 0 {
          let name = RecordName(kind, job, of: number == 3 ? own : Self.web)
          _ = try await fleet.write(name, [UInt8(number)], expecting: nil)
        }
      }
      let waiting = try await fleet.traces(of: jobs[0])
      #expect(waiting.queued.map(\.payload) == [[0]] && waiting.records.isEmpty)
      let found = try await fleet.traces(of: jobs[3])
      #expect(found.queued.map(\.payload) == [[3]] && found.queued.map(\.queue) == [own])
      #expect(found.records.map(\.name.kind) == [.claim, .result, .cancel])
      #expect(found.records.allSatisfy { $0.record.payload == [3] })
      #expect(try found.queue() == own)
      _ = try await fleet.write(
        RecordName(.result, jobs[3], of: Self.web), [9], expecting: nil)
      let two = try await fleet.traces(of: jobs[3])
      #expect(throws: FleetError.self) { try two.queue() }
      for job in two.queued { try await fleet.remove(job) }
      #expect(try await fleet.traces(of: jobs[3]).queued == [])
    }
  }

  @Test func `Of all writers of a record that expect the same, one wins`() async throws {
    try await FleetStage.with { stage in
      let fleet = try await stage.fleet()
      let name = RecordName(.claim, .random(), of: Self.web)
      #expect(try await fleet.record(name) == nil)
      let outcomes = try await withThrowingTaskGroup(of: WriteOutcome.self) { group in
        for number in 0..<20 {
          group.addTask { try await fleet.write(name, [UInt8(number)], expecting: nil) }
        }
        return try await group.reduce(into: [WriteOutcome]()) { $0.append($1) }
      }
      let record = try #require(try await fleet.record(name))
      let won = outcomes.filter { $0 == .written(record.revision) }
      let lost = outcomes.filter { $0 == .conflict(record) }
      #expect(won.count == 1 && lost.count == 19)
      guard case .written(let next) = try await fleet.write(name, [99], expecting: record.revision)
      else {
        Issue.record("it was not written")
        return
      }
      #expect(next > record.revision)
      #expect(
        try await fleet.write(name, [98], expecting: record.revision)
          == .conflict(Record(payload: [99], revision: next)))
      #expect(
        try await fleet.write(
          RecordName(.result, name.job, of: Self.web), [1], expecting: next) == .conflict(nil))
    }
  }

  @Test func `Records of a kind are listed in pages`() async throws {
    try await FleetStage.with { stage in
      let fleet = try await stage.fleet()
      let jobs = (0..<5).map { _ in JobID.random() }
      for (number, job) in jobs.enumerated() {
        _ = try await fleet.write(
          RecordName(.result, job, of: Self.web), [UInt8(number)], expecting: nil)
        _ = try await fleet.write(RecordName(.claim, job, of: Self.web), [], expecting: nil)
      }
      var found: [RecordEntry] = []
      while true {
        let page = try await fleet.records(.result, after: found.last?.record.revision, limit: 2)
        found += page
        if page.count < 2 { break }
      }
      #expect(found.map(\.name) == jobs.map { RecordName(.result, $0, of: Self.web) })
      #expect(found.map(\.record.payload) == (0..<5).map { [UInt8($0)] })
    }
  }

  @Test func `A change of a record wakes what waits for it`() async throws {
    try await FleetStage.with { stage in
      let fleet = try await stage.fleet()
      let name = RecordName(.result, .random(), of: Self.web)
      let other = RecordName(.cancel, name.job, of: Self.web)
      let names = [name, other]
      #expect(try await fleet.change(of: names, from: [:], within: .milliseconds(20)) == nil)
      let waiting = Task { try await fleet.change(of: names, from: [:], within: .seconds(600)) }
      guard case .written(let revision) = try await fleet.write(name, [1], expecting: nil) else {
        Issue.record("it was not written")
        return
      }
      let entry = RecordEntry(name, Record(payload: [1], revision: revision))
      #expect(try await waiting.value == entry)
      // It has another revision already.
      #expect(try await fleet.change(of: names, from: [:], within: .seconds(600)) == entry)
      // The first is known.
      let known = [name: revision]
      let second = Task { try await fleet.change(of: names, from: known, within: .seconds(600)) }
      _ = try await fleet.write(other, [2], expecting: nil)
      #expect(try await second.value?.name == other)
    }
  }

  /// Subscribers get a message before the stream has stored it, or if it stores none.
  @Test func `A wait that is woken before the record is stored goes on`() async throws {
    try await FleetStage.with { stage in
      let (fleet, other) = (try await stage.fleet(), try await stage.connect())
      let name = RecordName(.result, .random(), of: Self.web)
      let waiting = Task { try await fleet.change(of: [name], from: [:], within: .seconds(600)) }
      let connection = try await stage.raw()
      let subject = try NATSSubject("tj.res.g.web.\(name.job)")
      for _ in 0..<20 {
        // The stream refuses it, since it expects another revision. Waiting calls are woken all the same.
        await #expect(throws: NATSError.self) {
          _ = try await JetStream(connection).publish(
            subject, [7], .init(id: "\(JobID.random())", expectedLastSequence: 999))
        }
      }
      #expect(try await other.record(name) == nil)
      guard case .written(let revision) = try await other.write(name, [1], expecting: nil) else {
        Issue.record("it was not written")
        return
      }
      #expect(
        try await waiting.value == RecordEntry(name, Record(payload: [1], revision: revision)))
      await connection.close()
    }
  }

  @Test func `Workers are listed as long as they announce themselves`() async throws {
    try await FleetStage.with { stage in
      let fleet = try await stage.connect()
      var settings = stage.settings
      settings.workerAge = .seconds(2)
      try await fleet.setUp(settings)
      let (a, b) = (FleetName("A")!, FleetName("B")!)
      try await fleet.announce(b, [2])
      try await fleet.announce(a, [1])
      let listed = try await fleet.workers()
      #expect(listed.map(\.worker).contains(a))
      try await fleet.withdraw(a)
      #expect(try await !fleet.workers().map(\.worker).contains(a))
      try await eventually("the other one is forgotten") { try await fleet.workers().isEmpty }
    }
  }

  @Test func `A call reaches its worker, or fails at once if there is none`() async throws {
    try await FleetStage.with { stage in
      let (fleet, other) = (try await stage.fleet(), try await stage.connect())
      let worker = FleetName("A")!
      #expect(try await fleet.call(worker, [1], within: .seconds(600)) == .unreachable)
      let answering = Task {
        try await other.answerCalls(to: worker) { request in request.reversed() }
      }
      try await eventually("it answers") {
        try await fleet.call(worker, [1, 2], within: .seconds(600)) == .answer([2, 1])
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<100 {
          group.addTask {
            let answer = try await fleet.call(worker, [UInt8(number), 0], within: .seconds(600))
            #expect(answer == .answer([0, UInt8(number)]))
          }
        }
        try await group.waitForAll()
      }
      answering.cancel()
      _ = await answering.result
      // A call that comes before the subscription has ended gets no answer.
      try await eventually("it answers no more") {
        try await fleet.call(worker, [1], within: .milliseconds(200)) == .unreachable
      }
    }
  }
}
