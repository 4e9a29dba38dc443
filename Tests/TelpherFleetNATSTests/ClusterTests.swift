import TelpherFleet
import TelpherFleetNATS
import TelpherNATS
import TelpherTestSupport
import TelpherTransport
import Testing

/// Three servers of NATS, of which some are killed with SIGKILL. What was confirmed is there.
@Suite(.enabled(if: NATSServer.program != nil, NATSServer.missing), .serialized)
struct ClusterTests {
  private static let web = FleetStage.web

  /// Which servers are killed.
  enum Victims: String, CaseIterable, Sendable {
    case first = "one server"
    case leader = "the leader of the jobs"
    case all = "all servers"
  }

  @Test(arguments: Victims.allCases)
  func `No accepted job is lost, and no record has two values`(_ victims: Victims) async throws {
    try await MemberStage.with(cluster: true) { members in
      let stage = members.stage
      let submitter = try await members.connect(MemberStage.submitter)
      let (fleet, second) = (
        try await members.connect(MemberStage.a), try await members.connect(MemberStage.c)
      )
      let jobs = (0..<40).map { _ in JobID.random() }
      let submitting = Task {
        for (number, job) in jobs.enumerated() {
          _ = try await FleetStage.repeatedly {
            try await submitter.submit([UInt8(number)], id: job, to: Self.web)
          }
        }
      }
      let claiming = Task {
        var winners: [JobID: Int] = [:]
        for job in jobs {
          let name = RecordName(.claim, job, of: Self.web)
          async let a = Self.claims(fleet, name, 1)
          async let b = Self.claims(second, name, 2)
          winners[job] = (try await a ? 1 : 0) + (try await b ? 1 : 0)
        }
        return winners
      }
      for server in try await Self.servers(victims, of: members) { server.kill() }
      for server in stage.servers where !server.isRunning { try server.start() }
      try await submitting.value
      var seen: Set<JobID> = []
      while seen.count < jobs.count {
        let delivery = try await FleetStage.repeatedly {
          try await fleet.next(of: Self.web, within: .seconds(5))
        }
        guard let delivery else { continue }
        let number = try #require(jobs.firstIndex(of: delivery.job))
        #expect(delivery.payload == [UInt8(number)])
        seen.insert(delivery.job)
        try await FleetStage.repeatedly { try await fleet.settle(delivery, .done) }
      }
      for (job, winners) in try await claiming.value { #expect(winners == 1, "\(job)") }
      try await eventually("nothing is left") {
        try await FleetStage.repeatedly { try await submitter.queued(after: nil, limit: 100) }
          .isEmpty
      }
    }
  }

  /// Writes a record that must not exist until the outcome is known, and returns whether it did.
  private static func claims(
    _ fleet: NATSFleet, _ name: RecordName, _ value: UInt8
  ) async throws -> Bool {
    let outcome = try await FleetStage.repeatedly {
      try await fleet.write(name, [value], expecting: nil)
    }
    switch outcome {
    case .written: return true
    // After an uncertain end, the same call again finds its own value.
    case .conflict(let record): return record?.payload == [value]
    }
  }

  private static func servers(
    _ victims: Victims, of members: MemberStage
  ) async throws -> [NATSServer] {
    let servers = members.stage.servers
    switch victims {
    case .all: return servers
    case .first: return [servers[0]]
    case .leader:
      let jetStream = try await members.raw(MemberStage.admin)
      let leader = try await jetStream.leader(ofStream: "TJ")
      await jetStream.connection.close()
      return servers.filter { $0.name == leader }
    }
  }
}
