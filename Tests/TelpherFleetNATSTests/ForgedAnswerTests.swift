import TelpherFleet
import TelpherFleetNATS
import TelpherNATS
import TelpherTestSupport
import Testing

/// Members that let JetStream send its answers to subjects that they may not publish to: nats-server
/// checks only the subject of a request. An answer to a direct read has the bytes of a stored message,
/// which the member has stored before.
@Suite(.enabled(if: NATSServer.program != nil, NATSServer.missing))
struct ForgedAnswerTests {
  /// Where a member can store bytes, and which records of foreign jobs it may not write.
  private struct Attacker {
    let name: FleetName
    let stream: String
    let foreign: [String]
    let store: @Sendable (JobID) -> String
  }

  private static let attackers = [
    Attacker(name: MemberStage.submitter, stream: "TJ", foreign: ["claim", "res", "dead"]) {
      "tj.job.g.nobody.\($0)"
    },
    Attacker(name: MemberStage.a, stream: "TR", foreign: ["job", "claim", "res", "dead", "cancel"])
    {
      "tj.res.g.web.\($0)"
    },
  ]

  private static let consumer = """
    {"stream_name":"TJ","config":{"durable_name":"g_new","filter_subject":"tj.job.g.new.*",\
    "ack_policy":"explicit"}}
    """

  /// Stores bytes, and asks for them with these subjects as the place for the answer.
  private static func send(
    _ payload: String, to targets: [String], by attacker: Attacker, _ jetStream: JetStream
  ) async throws {
    let place = try NATSSubject(attacker.store(.random()))
    _ = try await FleetStage.repeatedly {
      try await jetStream.publish(place, Array(payload.utf8), .init(id: "\(JobID.random())"))
    }
    for target in targets {
      try await bounce(attacker.stream, place, to: target, jetStream)
    }
    // The server has read the requests, and has answered a later one.
    try await jetStream.connection.flush()
    #expect(
      try await jetStream.messages(attacker.stream, place, from: 1).messages.map(\.payload)
        == [Array(payload.utf8)])
  }

  private static func bounce(
    _ stream: String, _ place: NATSSubject, to target: String, _ jetStream: JetStream
  ) async throws {
    try await jetStream.connection.publish(
      try NATSSubject("\(jetStream.api).DIRECT.GET.\(stream)"), reply: try NATSSubject(target),
      Array(#"{"last_by_subj":"\#(place)"}"#.utf8))
  }

  @Test(arguments: [1, 3])
  func `Answers that are sent elsewhere have no effect`(servers: Int) async throws {
    try await MemberStage.with(cluster: servers == 3) { fleet in
      let administrator = try await fleet.connect(MemberStage.admin)
      let submitter = try await fleet.connect(MemberStage.submitter)
      let worker = try await fleet.connect(MemberStage.b)
      let db = QueueName.group(MemberStage.db)
      let (job, waiting) = (JobID.random(), JobID.random())
      _ = try await submitter.submit([1], id: job, to: db)
      let delivery = try #require(try await worker.next(of: db, within: .seconds(600)))
      _ = try await submitter.submit([2], id: waiting, to: db)
      _ = try await worker.write(RecordName(.claim, job, of: db), [3], expecting: nil)
      try await worker.announce(MemberStage.b, [4])
      let forged = String(
        decoding: FinalRecord(
          job, .ended(JobEnd(.exited, code: 0, startedMS: 1, endedMS: 2))
        ).payload, as: UTF8.self)

      for attacker in Self.attackers {
        let raw = try await fleet.raw(attacker.name)
        try await Self.send(
          forged,
          to: attacker.foreign.map { "tj.\($0).g.db.\(job)" } + ["$KV.TJ_WORKERS.B"],
          by: attacker, raw)
        let calls = [
          "STREAM.PURGE.TJ", "STREAM.PURGE.KV_TJ_WORKERS", "STREAM.DELETE.TR", "STREAM.DELETE.TJ",
          "CONSUMER.DELETE.TJ.g_db",
        ]
        try await Self.send("", to: Self.both(calls), by: attacker, raw)
        try await Self.send(
          Self.consumer,
          to: Self.both(["CONSUMER.DURABLE.CREATE.TJ.g_new", "CONSUMER.CREATE.TJ.g_new"]),
          by: attacker, raw)
        try await Self.send("+ACK", to: [delivery.handle], by: attacker, raw)
        await raw.connection.close()
      }

      // The same request of the administrator, whose account has the streams, has an effect. The others
      // have had more time for theirs.
      let raw = try await fleet.raw(MemberStage.admin)
      let place = try NATSSubject("tj.job.g.nobody.\(JobID.random())")
      _ = try await raw.publish(place, Array(forged.utf8), .init(id: "\(JobID.random())"))
      let control = RecordName(.result, .random(), of: db)
      try await Self.bounce("TJ", place, to: "tj.res.g.db.\(control.job)", raw)
      try await eventually("the administrator's answer is a record") {
        try await administrator.record(control)?.payload == Array(forged.utf8)
      }
      await raw.connection.close()

      for kind in [RecordName.Kind.result, .dead, .cancel] {
        #expect(try await administrator.record(RecordName(kind, job, of: db)) == nil, "\(kind)")
      }
      #expect(try await administrator.record(RecordName(.claim, job, of: db))?.payload == [3])
      #expect(try await administrator.workers().map(\.payload) == [[4]])
      #expect(try await administrator.traces(of: waiting).queued.map(\.payload) == [[2]])
      #expect(
        try await administrator.queues().first { $0.name == db }
          == QueueInfo(name: db, waiting: 1, taken: 1))
      #expect(try await administrator.queues().count == 5)
      // The work goes on.
      guard
        case .written = try await worker.write(
          RecordName(.result, job, of: db), [9], expecting: nil)
      else {
        Issue.record("the end was not written")
        return
      }
      try await worker.settle(delivery, .done)
      #expect(
        try await submitter.change(
          of: [RecordName(.result, job, of: db)], from: [:], within: .seconds(600))?
          .record.payload == [9])
      #expect(try await worker.next(of: db, within: .seconds(600))?.job == waiting)
    }
  }

  /// Requests by their own names and by those that members have.
  private static func both(_ calls: [String]) -> [String] {
    calls.flatMap { ["$JS.API.\($0)", "TJ.API.\($0)"] }
  }
}
