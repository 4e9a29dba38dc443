import Glibc
import TelpherFleet
import TelpherTestSupport
import Testing

/// A broker that is away, or that does not know a member yet, when a command begins.
@Suite(.enabled(if: FleetStage.hasTools, NATSServer.missing)) struct FleetBrokerTests {
  @Test func aJobIsSubmittedAcrossARestartOfTheBroker() async throws {
    try await FleetStage.with(["a"]) { stage in
      let id = JobID.random().description
      let arguments = [
        "job", "submit", "--identity", stage.key, "--queue", "web", "--id", id, "--", "sh", "-c",
        "echo x >>\(stage.sandbox.folder)/starts",
      ]
      await stage.killBroker()
      let waiting = try stage.child(arguments)
      // It has nothing to connect to yet.
      try await eventually("it tries") { isRunning(waiting.pid) }
      try stage.startBroker()
      let first = await waiting.finish()
      // A slow machine may need longer than it waits; it says then how to go on.
      if first.status != 0 { #expect(first.errorText.contains("--id \(id)")) }
      // The answer may have been lost: the same again is the same job, also after another restart.
      await stage.killBroker()
      try stage.startBroker()
      try await eventually("it is submitted") {
        try await stage.telpher(arguments).text == id + "\n"
      }
      try await stage.start("a")
      #expect(try await stage.wait(id).status == 0)
      #expect(TelpherTestSupport.Sandbox.text(stage.sandbox.folder + "/starts") == "x\n")
    }
  }

  /// While a broker reads its users again, it refuses all; a command tries for some seconds.
  @Test func aMemberThatTheBrokerLearnsOfMeanwhileIsServed() async throws {
    try await FleetStage.with(["a"]) { stage in
      let users = stage.folder + "/users.conf"
      let before = try #require(TelpherTestSupport.Sandbox.text(users))
      let known = try #require(stage.brokerLog.lastDigest)
      try await stage.run(["fleet", "enroll", "--folder", stage.folder, "--submitter", "s"])
      let after = try #require(TelpherTestSupport.Sandbox.text(users))
      stage.sandbox.write(before, to: users)
      stage.reloadBroker()
      try await eventually("the broker has forgotten the member") {
        stage.brokerLog.lastDigest == known
      }
      let child = try stage.child(["job", "list"], as: "s")
      try await eventually("it is refused") { stage.brokerLog.contains("authentication error") }
      stage.sandbox.write(after, to: users)
      stage.reloadBroker()
      try await eventually("the broker has learned of it") {
        stage.brokerLog.lastDigest != known
      }
      // The account is new to the broker, and gets its imports now.
      stage.reloadBroker()
      let result = await child.finish()
      #expect(result.status == 0, "\(result.errorText)")
      #expect(result.text.hasPrefix("JOB"))
    }
  }
}

extension String {
  /// The digest of the configuration that nats-server has read last, in its log.
  fileprivate var lastDigest: Substring? {
    split(separator: "\n").last { $0.contains("Reloaded server configuration") }?
      .split(separator: "sha256:").last
  }
}
