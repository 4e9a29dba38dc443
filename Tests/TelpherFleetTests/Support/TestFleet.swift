import Glibc
import Synchronization
import TelpherKeys
import TelpherPolicy
import TelpherTestSupport
import TelpherWire
import Testing

@testable import TelpherFleet

/// A broker in memory, a submitter with a key, and workers.
final class TestFleet: Sendable {
  let engine: MemoryEngine
  let folder: KeyFolder
  let agent: Agent
  let key: SSHPublicKey
  let client: FleetClient
  let reports = Mutex<[String]>([])
  static let queue = QueueName("web")!

  init(workTime: Duration = .seconds(30), workerAge: Duration = .seconds(30)) async throws {
    engine = MemoryEngine(workTime: workTime, workerAge: workerAge)
    folder = try KeyFolder()
    try folder.make("key", ["-t", "ed25519"])
    agent = try await Agent(in: folder)
    try agent.add("key", of: folder)
    key = try folder.publicKey("key")
    try folder.write("authorized_keys", folder.text("key.pub"))
    client = FleetClient(engine: engine)
  }

  func sign(_ job: FleetJob) throws -> SignedJob {
    SignedJob(
      job,
      signature: try SSHAgent(at: agent.path).sign(
        job.signedBytes, with: key, namespace: SignedJob.namespace))
  }

  func job(_ argv: [ByteText] = ["true"], _ policy: FleetJob.Policy = .once) -> FleetJob {
    var job = FleetJob(id: .random(), queue: Self.queue, argv: argv)
    job.policy = policy
    return job
  }

  /// Submits a job and returns its id.
  func submit(_ job: FleetJob) async throws -> JobID {
    #expect(try await client.submit(sign(job)) == .accepted)
    return job.id
  }

  /// Takes the file of the keys away.
  func hideKeys() throws {
    try #require(rename(folder.file("authorized_keys"), folder.file("hidden")) == 0)
  }

  /// Puts it back.
  func showKeys() throws {
    try #require(rename(folder.file("hidden"), folder.file("authorized_keys")) == 0)
  }

  /// Lets the broker deliver jobs that were given back at once.
  func hurry() {
    engine.with { state in
      for (job, taken) in state.taken { state.taken[job] = (.now, taken.handle) }
    }
  }

  func check(policy: Policy? = nil) -> JobCheck {
    let keys = AuthorizedKeysFile(folder.file("authorized_keys"), home: folder.path) { _ in }
    guard let policy else { return JobCheck(keys: keys, policy: nil) }
    return JobCheck(keys: keys, policy: { policy })
  }

  /// A worker with a journal in `sandbox`.
  func worker(
    _ name: String, in sandbox: Sandbox, _ runner: MemoryRunner, slots: Int = 2,
    groups: [String] = ["web"], policy: Policy? = nil
  ) throws -> FleetWorker {
    var settings = FleetWorker.Settings(name: WorkerName(name)!)
    settings.groups = groups.map { FleetName($0)! }
    settings.slots = slots
    settings.announcing = .milliseconds(20)
    settings.working = .milliseconds(20)
    settings.asking = .milliseconds(200)
    settings.pauses = (.milliseconds(1), .milliseconds(10))
    settings.startPauses = (.milliseconds(1), .milliseconds(10))
    return FleetWorker(
      engine: engine, journal: try FleetJournal(in: sandbox.path, now: Clock.now()),
      runner: runner, check: check(policy: policy), settings: settings,
      report: { [self] text in reports.withLock { $0.append(text) } })
  }
}
