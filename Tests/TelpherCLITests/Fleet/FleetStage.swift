import Glibc
import Synchronization
import TelpherFleet
import TelpherTestSupport
import Testing

/// A fleet on this machine: a real broker, made as docs/FLEET.md says, and workers that are processes.
final class FleetStage: Sendable {
  let sandbox: Sandbox
  /// Where the broker listens: an address of the loopback network of its own.
  let address: String
  private let broker: Mutex<Child?>
  private let workers = Mutex<[String: Child]>([:])

  /// Whether the programs that it needs are there.
  static var hasTools: Bool { KeyFolder.hasTools && NATSServer.program != nil }

  /// The administrator's folder.
  var folder: String { sandbox.folder + "/fleet" }
  /// The key that signs jobs.
  var key: String { sandbox.folder + "/me" }

  private init() async throws {
    let sandbox = try Sandbox()
    self.sandbox = sandbox
    let parts = (0..<3).map { _ in "\(Int.random(in: 1...254))" }.joined(separator: ".")
    address = "127.\(parts):4222"
    broker = Mutex(nil)
    try await run(["fleet", "init", folder, "--listen", address])
    try startBroker()
    _ = try await sandbox.shell("ssh-keygen -q -t ed25519 -N '' -f \(key)")
  }

  /// Runs `body` with a fleet, and ends all of it.
  ///
  /// - Parameter members: the workers' names, all in the group `web`.
  static func with<Value>(
    _ members: [String], _ body: (FleetStage) async throws -> Value
  ) async throws -> Value {
    let stage = try await FleetStage()
    let result: Result<Value, any Error>
    do {
      try await stage.run(
        ["fleet", "enroll", "--folder", stage.folder, "--group", "web"] + members)
      result = .success(try await body(stage))
    } catch {
      result = .failure(error)
    }
    await stage.end()
    return try result.get()
  }

  /// Starts the broker.
  func startBroker() throws {
    let program = try #require(NATSServer.program)
    let child = try Child(
      [program, "-c", folder + "/nats-server.conf", "-l", sandbox.folder + "/nats.log"],
      environment: sandbox.environment)
    broker.withLock { $0 = child }
  }

  /// Kills the broker with SIGKILL, and waits for its end.
  func killBroker() async {
    let child = broker.withLock { $0.take() }
    child?.signal(SIGKILL)
    _ = await child?.wait()
  }

  /// Runs telpher as the administrator, and requires that it succeeds.
  @discardableResult
  func run(_ arguments: [String]) async throws -> String {
    let result = try await telpher(arguments)
    guard result.status == 0 else {
      throw Failed("\(arguments): \(result.status) \(result.errorText)")
    }
    return result.text
  }

  /// Runs telpher as the administrator.
  func telpher(_ arguments: [String]) async throws -> Finished {
    try await sandbox.start(arguments, environment: ["TELPHER_FLEET": folder + "/admin"]).finish()
  }

  /// Submits a job and returns its id.
  func submit(_ arguments: String...) async throws -> String {
    try await submit(arguments)
  }

  func submit(_ arguments: [String]) async throws -> String {
    let text = try await run(["job", "submit", "--identity", key] + arguments)
    return String(text.dropLast())
  }

  /// Waits for a job.
  func wait(_ job: String) async throws -> Finished { try await telpher(["job", "wait", job]) }

  // MARK: Workers

  /// Starts a worker and returns when it takes jobs.
  func start(_ name: String, _ options: [String] = []) async throws {
    let child = try sandbox.start(
      [
        "worker", "--fleet", "\(folder)/\(name)", "--authorized-keys", key + ".pub", "--state",
        state(name),
      ] + options)
    guard await child.line() != nil else {
      throw Failed("no worker: \(await child.finish().errorText)")
    }
    workers.withLock { $0[name] = child }
  }

  /// The folder of a worker.
  func state(_ name: String) -> String { "\(sandbox.folder)/s/\(name)" }

  /// Sends a worker a signal, and waits for its end.
  @discardableResult
  func end(_ name: String, by signal: Int32) async -> Int32? {
    guard let child = workers.withLock({ $0.removeValue(forKey: name) }) else { return nil }
    child.signal(signal)
    return await child.wait()
  }

  /// The process that keeps a worker's jobs; nil if none listens.
  func jobHost(_ name: String) -> Int32? { sandbox.process(at: state(name) + "/jobs/host.sock") }

  private func end() async {
    let names = workers.withLock { Array($0.keys) }
    for name in names { await end(name, by: SIGKILL) }
    await killBroker()
    let folder = sandbox.folder + "/s"
    for name in (try? await sandbox.shell("ls \(folder)").text.split(separator: "\n")) ?? [] {
      guard let host = jobHost(String(name)) else { continue }
      kill(host, SIGTERM)
      _ = try? await isGone(host, within: 20)
    }
  }
}
