internal import Glibc
internal import Synchronization
internal import TelpherAccess
internal import TelpherFleet
internal import TelpherFleetNATS
internal import TelpherKeys
internal import TelpherNATS
internal import TelpherTransport
internal import TelpherWire

/// A fleet on this machine, set up as docs/FLEET.md says: a broker, and workers that are processes.
final class Fleet: Sendable {
  /// The program `telpher`.
  let telpher: String
  private let broker: NATSServer
  private let folder: String
  private let address: String
  private let signer = Ed25519Key.random()
  private let workers = Mutex<[Program]>([])

  /// The group of all workers.
  private static let group = QueueName("web")

  /// Starts the broker and enrolls workers.
  ///
  /// - Throws: `Failure` if something does not start.
  init(_ bench: Bench, workers: Int) throws {
    let folder = bench.folder("fleet")
    let telpher = bench.shippedProgram(.uv)
    let port = try Tool.freePort()
    try Program(
      [telpher, "fleet", "init", folder, "--listen", "127.0.0.1:\(port)"], output: .null
    ).finish()
    let broker = try NATSServer(
      configuration: "\(folder)/nats-server.conf", port: port, log: bench.folder("fleet.log"))
    (self.telpher, self.broker, self.folder) = (telpher, broker, folder)
    address = "nats://127.0.0.1:\(port)"
    try Program(
      [telpher, "fleet", "enroll", "--folder", folder, "--group", "web"]
        + (1...workers).map { "w\($0)" }, output: .null
    ).finish()
    let key = try Self.publicKey(of: signer)
    try writeText("\(key.description)\n", to: keys)
    guard mkdir(states, 0o700) == 0 else { throw Failure("cannot make \(states)") }
  }

  /// The file of the keys that may submit jobs.
  private var keys: String { "\(folder)/keys" }
  /// The folder of the workers' folders.
  private var states: String { "\(folder)/s" }
  /// The administrator's file.
  private var administrator: String { "\(folder)/admin" }

  /// Ends everything.
  func stop() {
    let programs = workers.withLock { workers in
      defer { workers = [] }
      return workers
    }
    for program in programs { kill(program.pid, SIGTERM) }
    for program in programs { program.stop() }
    JobHosts.stop(for: states)
    broker.stop()
  }

  // MARK: Workers

  /// The process ids of the workers.
  var processes: [pid_t] { workers.withLock { $0.map(\.pid) } }

  /// The processes that keep the workers' jobs. Such a process ends some time after its last job.
  var jobHosts: [pid_t] {
    JobHosts.running(for: states, except: processes)
  }

  /// Starts workers until there are `count`.
  ///
  /// - Throws: `Failure` if one does not start.
  func start(_ count: Int) throws {
    let known = processes.count
    guard known < count else { return }
    let new = try (known + 1...count).map { number in
      // A file of keys must not be below a folder that others can write, up to HOME.
      try Program(
        [
          "env", "HOME=\(folder)", telpher, "worker", "--fleet", "\(folder)/w\(number)",
          "--authorized-keys", keys,
          "--state", "\(states)/w\(number)",
        ], output: .pipe, error: .null)
    }
    workers.withLock { $0 += new }
    for worker in new { _ = try worker.readLine(after: "worker ") }
  }

  // MARK: Jobs

  /// Lets the holder of the key in `file` submit jobs as well.
  func admit(_ file: String) throws {
    guard let known = readText(keys), let key = readText(file) else {
      throw Failure("cannot read \(file)")
    }
    try writeText(known + key, to: keys)
  }

  /// The command line that submits `true` with the key in `file`.
  func submission(_ file: String) -> [String] {
    [
      telpher, "job", "submit", "--fleet", administrator, "--queue", "web", "--identity", file,
      "--", "/bin/true",
    ]
  }

  /// The command line that waits for a job.
  func wait(_ job: String) -> [String] { [telpher, "job", "wait", "--fleet", administrator, job] }

  /// A new signed job, which runs `true`.
  func job() throws -> SignedJob {
    guard let queue = Self.group else { preconditionFailure("it is the name of a group") }
    let job = FleetJob(id: .random(), queue: queue, argv: ["/bin/true"])
    let data = SSHSignature.signedData(
      namespace: SignedJob.namespace, digest: .sha512, message: job.signedBytes)
    return SignedJob(
      job,
      signature: SSHSignature(
        key: try Self.publicKey(of: signer), namespace: SignedJob.namespace, digest: .sha512,
        signature: Self.string(Array("ssh-ed25519".utf8)) + Self.string(signer.sign(data))))
  }

  private static func publicKey(of key: Ed25519Key) throws -> SSHPublicKey {
    guard let key = SSHPublicKey(ed25519: key.publicKey) else {
      throw Failure("a public key of ed25519 has 32 bytes")
    }
    return key
  }

  /// A string of SSH (RFC 4251, section 5): its length and its bytes.
  private static func string(_ bytes: [UInt8]) -> [UInt8] {
    let count = bytes.count
    return [24, 16, 8, 0].map { UInt8(count >> $0 & 255) } + bytes
  }

  /// What of a job is timed.
  enum Part {
    /// Until the broker has stored it.
    case submission
    /// Until its result is known.
    case all
  }

  /// Submits jobs and waits for their results, on one connection.
  ///
  /// - Returns: jobs per second, and how long each took.
  /// - Throws: `Failure` if a job's command does not exit with 0.
  func move(_ load: FleetLoad, _ part: Part = .all) async throws -> Sample {
    let jobs = try (0..<load.jobs).map { _ in try job() }
    var configuration = NATSConfiguration(
      servers: try NATSAddress.list(parsing: address),
      credentials: try NATSCredentials(contentsOf: SecretFile("\(administrator).key")))
    configuration.inboxPrefix = "_INBOX.admin"
    let settings = configuration
    return try await Backend.uv.withClientLoop { loop in
      let engine = try await NATSFleet.connect(settings, on: loop)
      let sample = try await Self.move(jobs, load.inFlight, part, engine)
      await engine.close()
      return sample
    }
  }

  private static func move(
    _ jobs: [SignedJob], _ inFlight: Int, _ part: Part, _ engine: NATSFleet
  ) async throws -> Sample {
    let next = Counter()
    let begin = monotonicNow()
    let latencies = try await withThrowingTaskGroup(of: [UInt64].self) { group in
      for _ in 0..<inFlight {
        group.addTask {
          var latencies: [UInt64] = []
          while true {
            let number = next.next()
            guard number <= jobs.count else { return latencies }
            latencies.append(try await Self.run(jobs[number - 1], part, engine))
          }
        }
      }
      var all: [UInt64] = []
      for try await some in group { all += some }
      return all
    }
    return Sample(perSecond: jobs.count, since: begin, latencies: latencies)
  }

  /// Submits a job, waits for its result, and returns how long `part` of that took.
  private static func run(
    _ job: SignedJob, _ part: Part, _ engine: NATSFleet
  ) async throws -> UInt64 {
    let id = job.job.id
    let begin = monotonicNow()
    _ = try await FleetClient(engine: engine).submit(job, mayBeKnown: false)
    let stored = monotonicNow()
    let name = RecordName(.result, id, of: job.job.queue)
    guard let entry = try await engine.change(of: [name], from: [:], within: .seconds(60)) else {
      throw Failure("a job had no result after 60 s")
    }
    let ended = monotonicNow()
    let final = try FinalRecord(payload: entry.record.payload, of: id)
    guard case .ended(let end) = final.outcome, end.isSuccess else {
      throw Failure("a job is \(final.outcome.name)")
    }
    switch part {
    case .submission: return stored - begin
    case .all: return ended - begin
    }
  }
}
