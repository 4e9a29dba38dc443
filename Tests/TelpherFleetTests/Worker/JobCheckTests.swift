import TelpherClient
import TelpherKeys
import TelpherPolicy
import TelpherTestSupport
import TelpherText
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFleet

@Suite(.enabled(if: KeyFolder.hasTools)) struct JobCheckTests {
  private let values = PolicyValues(
    limit: { name, value throws(PolicyValues.Mistake) in
      guard let number = UInt64(value) else { throw PolicyValues.Mistake("no number") }
      guard let kind = ResourceLimit.Kind.allCases.first(where: { $0.optionName == name }) else {
        throw PolicyValues.Mistake("no limit")
      }
      return ResourceLimit(kind, number)
    },
    milliseconds: { value throws(PolicyValues.Mistake) in
      guard let number = Int64(value) else { throw PolicyValues.Mistake("no number") }
      return number
    })

  private func verdict(
    _ check: JobCheck, _ job: SignedJob, from queue: QueueName = TestFleet.queue, now: Int64 = 1
  ) throws -> JobVerdict {
    try check.verdict(on: job.payload, of: job.job.id, from: queue, now: now).0
  }

  @Test func onlyAKnownKeysJobRuns() async throws {
    let fleet = try await TestFleet()
    let signed = try fleet.sign(fleet.job())
    #expect(try verdict(fleet.check(), signed) == .runs(.once))
    #expect(try verdict(fleet.check(), signed, from: QueueName("db")!) != .runs(.once))
    // A signature for another purpose, and of another job.
    let other = try SSHAgent(at: fleet.agent.path).sign(
      signed.job.signedBytes, with: fleet.key, namespace: "telpher-auth-v1")
    let wrong = [
      SignedJob(signed.job, signature: other),
      SignedJob(fleet.job(["rm"]), signature: signed.signature),
    ]
    for job in wrong {
      guard case .refused(let reason) = try verdict(fleet.check(), job) else {
        Issue.record("it runs")
        continue
      }
      #expect(reason.hasPrefix("its signature is not one of this job"))
    }
    for line in ["", "command=\"ls\" ", "from=\"10.0.0.1\" ", "expiry-time=\"20000101\" "] {
      try fleet.folder.write(
        "authorized_keys", line.isEmpty ? "" : line + fleet.folder.text("key.pub"))
      guard case .refused = try verdict(fleet.check(), signed, now: 2_000_000_000_000) else {
        Issue.record("\(line): it runs")
        continue
      }
    }
  }

  @Test func nothingIsSaidAboutAJobWithoutTheKeysFile() async throws {
    let fleet = try await TestFleet()
    let signed = try fleet.sign(fleet.job())
    try fleet.hideKeys()
    let error = #expect(throws: FleetError.self) { try verdict(fleet.check(), signed) }
    #expect(error?.code == .local)
    try fleet.showKeys()
    #expect(try verdict(fleet.check(), signed) == .runs(.once))
  }

  @Test func thePolicyDecides() async throws {
    let fleet = try await TestFleet()
    let policy = try Policy(
      parsing: """
        rules:
          - for: \(fleet.key.fingerprint)
            commands:
              - [echo, "..."]
            limits: {nice: 5, time: 1000}
            environment: {A: set}
            directory: /tmp
          - for: owner
            allow: all
        """, file: "policy", values)
    let check = fleet.check(policy: policy)
    let allowed = try fleet.sign(fleet.job(["echo", "x"], .retry(maxAttempts: 2)))
    let (verdict, plan) = try check.verdict(
      on: allowed.payload, of: allowed.job.id, from: TestFleet.queue, now: 1)
    #expect(verdict == .runs(.retry(maxAttempts: 2)))
    let command = try #require(plan?.command)
    #expect(command.directory == "/tmp")
    #expect(command.environment["A"] == .some("set"))
    #expect(command.limits == [ResourceLimit(.nice, 5)])
    #expect(command.deadline == .milliseconds(1_000))

    var refused = [fleet.job(["rm", "x"])]
    var job = fleet.job(["echo"])
    job.environment = ["LD_PRELOAD": "x"]
    refused.append(job)
    job = fleet.job(["echo"])
    job.directory = "/"
    refused.append(job)
    job = fleet.job(["echo"])
    job.deadline = 1_001
    refused.append(job)
    job = fleet.job(["echo"])
    job.limits = [ResourceLimit(.nice, 4)]
    refused.append(job)
    for job in refused {
      guard case .refused = try self.verdict(check, fleet.sign(job)) else {
        Issue.record("\(job) runs")
        continue
      }
    }
  }

  @Test func aJobMayBeTooLate() async throws {
    let fleet = try await TestFleet()
    var job = fleet.job()
    job.notAfter = 10
    let signed = try fleet.sign(job)
    #expect(try verdict(fleet.check(), signed, now: 10) == .runs(.once))
    #expect(try verdict(fleet.check(), signed, now: 11) == .expired)
  }
}
