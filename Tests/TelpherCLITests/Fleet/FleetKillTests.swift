import Glibc
import Synchronization
import TelpherAccess
import TelpherFleet
import TelpherFleetNATS
import TelpherKeys
import TelpherNATS
import TelpherTestSupport
import TelpherUV
import TelpherWire
import Testing

/// Many jobs on workers that are killed all the time. Each job writes a line when it starts, so a second
/// start would be seen.
@Suite(.enabled(if: FleetStage.hasTools, NATSServer.missing)) struct FleetKillTests {
  private typealias Scale = TelpherTestSupport.Scale
  private static let jobs = Scale.isFull ? 10_000 : 200
  private static let workers = (0..<(Scale.isFull ? 20 : 4)).map { "w\($0)" }

  /// How many jobs are submitted for each kill at most.
  private static let jobsPerKill = Scale.isFull ? 100 : 10

  /// The jobs: two of three of policy `once`, the others `retry`.
  private static func job(_ index: Int, _ file: String) -> FleetJob {
    let id = JobID.random()
    // One write with O_APPEND is one line.
    var job = FleetJob(
      id: id, queue: QueueName("web")!,
      argv: ["/bin/sh", "-c", "echo $1 >>$0", ByteText(file), ByteText(id.description)])
    if index % 3 == 0 { job.policy = .retry(maxAttempts: 5) }
    return job
  }

  @Test(.timeLimit(.minutes(Scale.isFull ? 60 : 5)))
  func eachJobHasOneEndAndNoneStartsTwice() async throws {
    try await FleetStage.with(Self.workers) { stage in
      let file = stage.sandbox.folder + "/starts"
      for name in Self.workers { try await stage.start(name, ["--slots", "4"]) }
      let loop = try SystemBackend.uv.makeLoop()
      defer { Task { await loop.shutDown() } }
      let engine = try await NATSFleet.connect(
        NATSConfiguration(
          servers: try NATSAddress.list(parsing: "nats://\(stage.address)"),
          credentials: try NATSCredentials(contentsOf: SecretFile(stage.folder + "/admin.key")),
          inboxPrefix: "_INBOX.admin"), on: loop)
      let client = FleetClient(engine: engine)
      let keys = try KeyFolder()
      let agent = try await Agent(in: keys)
      _ = try keys.run(["env", "SSH_AUTH_SOCK=\(agent.path)", "ssh-add", "-q", stage.key])
      let key = try SSHPublicKey.parse(
        try #require(TelpherTestSupport.Sandbox.text(stage.key + ".pub"))[...]
      ).key
      let jobs = (0..<Self.jobs).map { Self.job($0, file) }
      let isDone = Atomic(false)
      let kills = Atomic(0)
      let killing = Task {
        var generator = SystemRandomNumberGenerator()
        while !isDone.load(ordering: .relaxed) {
          let name = Self.workers.randomElement(using: &generator)!
          await stage.end(name, by: SIGKILL)
          try await stage.start(name, ["--slots", "4"])
          kills.add(1, ordering: .relaxed)
          if Scale.isFull { try await Task.sleep(for: .seconds(1)) }
        }
      }
      for (index, job) in jobs.enumerated() {
        let signature = try SSHAgent(at: agent.path).sign(
          job.signedBytes, with: key, namespace: SignedJob.namespace)
        let signed = SignedJob(job, signature: signature)
        // Some kills for any number of jobs, however fast they run.
        try await eventually("workers are killed") {
          kills.load(ordering: .relaxed) >= index / Self.jobsPerKill
        }
        // A repeated submission is one job.
        while true {
          do throws(FleetError) {
            _ = try await client.submit(signed)
            break
          } catch {
            guard error.isPassing else { throw error }
          }
        }
      }
      var outcomes: [String: Int] = [:]
      let finals = try await withThrowingTaskGroup { group in
        for job in jobs { group.addTask { (job.id, try await client.wait(for: job.id)) } }
        var finals: [JobID: FinalRecord] = [:]
        for try await (id, final) in group {
          finals[id] = final
          outcomes[final.outcome.name, default: 0] += 1
        }
        return finals
      }
      isDone.store(true, ordering: .relaxed)
      try await killing.value
      #expect(finals.count == jobs.count)

      // The file may be longer than what the sandbox reads at once.
      let lines = try await stage.sandbox.shell("cat \(file)").text.split(separator: "\n")
      let starts = Dictionary(lines.map { (String($0), 1) }, uniquingKeysWith: +)
      for job in jobs {
        let count = starts[job.id.description] ?? 0
        #expect(count <= job.policy.maxAttempts, "\(job.id): started \(count) times")
        guard case .ended(let end)? = finals[job.id]?.outcome else { continue }
        #expect(end.isSuccess && count >= 1, "\(job.id)")
      }
      // Kills lose few jobs: only those in the moment before their start.
      #expect((outcomes["ended"] ?? 0) > jobs.count / 2, "\(outcomes)")
      // The broker agrees, and has nothing left.
      try await eventually("the queue is empty") {
        (try? await engine.queued(after: nil, limit: 1).isEmpty) == true
      }
      print("\(jobs.count) jobs, \(kills.load(ordering: .relaxed)) kills: \(outcomes)")
    }
  }
}
