import TelpherFleet
import TelpherFleetNATS
import TelpherNATS
import TelpherTestSupport
import Testing

/// What the members of a fleet may do at the broker, with the permissions that they are enrolled with.
@Suite(.enabled(if: NATSServer.program != nil, NATSServer.missing))
struct PermissionTests {
  @Test(arguments: [1, 3])
  func `A worker does all that a worker must`(servers: Int) async throws {
    try await MemberStage.with(cluster: servers == 3) { fleet in
      let (worker, submitter) = (
        try await fleet.connect(MemberStage.a), try await fleet.connect(MemberStage.submitter)
      )
      for queue in [QueueName.group(MemberStage.web), .worker(MemberStage.a)] {
        let job = JobID.random()
        #expect(try await submitter.submit([1], id: job, to: queue) == .accepted)
        let delivery = try #require(try await worker.next(of: queue, within: .seconds(600)))
        try await worker.settle(delivery, .working)
        guard
          case .written(let claim) = try await worker.write(
            RecordName(.claim, job, of: queue), [1], expecting: nil),
          case .written = try await worker.write(
            RecordName(.claim, job, of: queue), [2], expecting: claim),
          case .written = try await worker.write(
            RecordName(.result, job, of: queue), [3], expecting: nil),
          case .written = try await worker.write(
            RecordName(.dead, job, of: queue), [4], expecting: nil)
        else {
          Issue.record("a record was not written")
          return
        }
        try await worker.settle(delivery, .done)
        #expect(
          try await submitter.change(
            of: [RecordName(.result, job, of: queue)], from: [:], within: .seconds(600))?
            .record.payload == [3])
        #expect(try await submitter.traces(of: job).records.count == 3)
        #expect(try await submitter.has(queue))
        guard
          case .written = try await submitter.write(
            RecordName(.cancel, job, of: queue), [5], expecting: nil)
        else {
          Issue.record("the record was not written")
          return
        }
        #expect(
          try await worker.record(RecordName(.cancel, job, of: queue))?.payload == [5])
      }
      try await worker.announce(MemberStage.a, [9])
      #expect(try await submitter.workers().map(\.worker) == [MemberStage.a])
      #expect(try await worker.workers().map(\.worker) == [MemberStage.a])
      let answering = Task { try await worker.answerCalls(to: MemberStage.a) { $0 + [0] } }
      try await eventually("it answers") {
        try await submitter.call(MemberStage.a, [7], within: .seconds(600)) == .answer([7, 0])
      }
      answering.cancel()
      _ = await answering.result
      try await worker.withdraw(MemberStage.a)
      #expect(try await submitter.workers() == [])
      #expect(try await submitter.queues().count == 5)
      _ = try await submitter.submit([1], id: .random(), to: .worker(MemberStage.b))
      for job in try await submitter.queued(after: nil, limit: 10) {
        try await submitter.remove(job)
      }
      #expect(try await submitter.queued(after: nil, limit: 10) == [])
    }
  }

  @Test func `A worker gets no jobs of other queues`() async throws {
    try await MemberStage.with { fleet in
      let (worker, submitter) = (
        try await fleet.connect(MemberStage.a), try await fleet.connect(MemberStage.submitter)
      )
      for queue in [QueueName.group(MemberStage.db), .worker(MemberStage.b)] {
        _ = try await submitter.submit([1], id: .random(), to: queue)
        let refused = try await code { _ = try await worker.next(of: queue, within: .seconds(600)) }
        #expect(refused == .refused, "\(queue)")
      }
      let queued = try await code { _ = try await worker.queued(after: nil, limit: 1) }
      #expect(queued == .refused)
    }
  }

  /// So no submitter can say how a job has ended, and no worker how one of another queue has.
  @Test func `Only workers of a queue write the ends of its jobs`() async throws {
    try await MemberStage.with { fleet in
      let (worker, submitter) = (
        try await fleet.connect(MemberStage.a), try await fleet.connect(MemberStage.submitter)
      )
      let job = JobID.random()
      let forged = FinalRecord(job, .ended(JobEnd(.exited, code: 0, startedMS: 1, endedMS: 2)))
      func isRefused(_ member: NATSFleet, _ kind: RecordName.Kind, _ queue: QueueName) async throws
      {
        let name = RecordName(kind, job, of: queue)
        let found = try await code {
          _ = try await member.write(name, forged.payload, expecting: nil)
        }
        #expect(found == .refused, "\(name)")
        #expect(try await member.record(name) == nil)
      }
      for kind in [RecordName.Kind.claim, .result, .dead] {
        for queue in [QueueName.group(MemberStage.web), .worker(MemberStage.a)] {
          try await isRefused(submitter, kind, queue)
        }
        for queue in [QueueName.group(MemberStage.db), .worker(MemberStage.b)] {
          try await isRefused(worker, kind, queue)
        }
      }
      try await isRefused(worker, .cancel, .group(MemberStage.web))
      // The same without the engine, on subjects that only look like those of the records.
      let raw = try await fleet.raw(MemberStage.submitter)
      for subject in ["tj.res.g.web.\(job)", "tj.claim.h.A.\(job)", "tj.res.\(job)", "tj.x"] {
        var refused = false
        do {
          _ = try await raw.publish(
            try NATSSubject(subject), forged.payload, .init(id: "\(JobID.random())"))
        } catch let error as NATSError { refused = error.code == .notPermitted }
        #expect(refused, "\(subject)")
      }
      await raw.connection.close()
    }
  }

  @Test func `A worker can't submit, remove, delete, or speak for another one`() async throws {
    try await MemberStage.with { fleet in
      let (worker, submitter) = (
        try await fleet.connect(MemberStage.a), try await fleet.connect(MemberStage.submitter)
      )
      let (job, web) = (JobID.random(), QueueName.group(MemberStage.web))
      _ = try await submitter.submit([1], id: job, to: .group(MemberStage.web))
      let entry = try #require(try await submitter.queued(after: nil, limit: 1).first)
      let attempts: [(String, () async throws -> Void)] = [
        ("submit", { _ = try await worker.submit([1], id: .random(), to: web) }),
        ("remove", { try await worker.remove(entry) }),
        ("addQueue", { try await worker.addQueue(.group(FleetName("new")!)) }),
        ("announce", { try await worker.announce(MemberStage.b, [1]) }),
        ("withdraw", { try await worker.withdraw(MemberStage.b) }),
        ("answer", { try await worker.answerCalls(to: MemberStage.b) { $0 } }),
        ("call", { _ = try await worker.call(MemberStage.b, [1], within: .seconds(600)) }),
      ]
      for (name, attempt) in attempts {
        let found = try await code(attempt)
        #expect(found == .refused, "\(name)")
      }
      let raw = try await fleet.raw(MemberStage.a)
      let calls: [(String, () async throws -> Void)] = [
        ("purge", { _ = try await raw.purge("TJ", "tj.job.>") }),
        ("delete a record", { _ = try await raw.delete("TR", sequence: 1) }),
        ("delete a consumer", { _ = try await raw.deleteConsumer("TJ", "g_web") }),
        ("make a stream", { try await raw.ensure(StreamSettings(name: "X", subjects: ["x.>"])) }),
      ]
      for (name, call) in calls {
        var refused = false
        do { try await call() } catch let error as NATSError {
          refused = error.code == .notPermitted
        }
        #expect(refused, "\(name)")
      }
      #expect(try await submitter.queued(after: nil, limit: 10).map(\.job) == [job])
      await raw.connection.close()
    }
  }

  @Test func `A worker sees neither jobs nor calls nor answers of others`() async throws {
    try await MemberStage.with { fleet in
      let raw = try await fleet.raw(MemberStage.a)
      for subject in ["tj.job.>", "tj.w.B.rpc", "tj.w.*.rpc", "_INBOX.>", "_INBOX.B.>", ">"] {
        let errors = Errors()
        _ = await raw.connection.subscribe(try NATSSubject(subject)) { result in
          if case .failure(let error) = result { errors.add(error.code) }
        }
        try await eventually("\(subject) is refused") { errors.codes == [.notPermitted] }
      }
      await raw.connection.close()
    }
  }
}
