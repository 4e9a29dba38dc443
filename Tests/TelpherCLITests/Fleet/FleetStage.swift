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

  private init(isEncrypted: Bool) async throws {
    let sandbox = try Sandbox()
    self.sandbox = sandbox
    let parts = (0..<3).map { _ in "\(Int.random(in: 1...254))" }.joined(separator: ".")
    address = "127.\(parts):4222"
    broker = Mutex(nil)
    try await run(
      ["fleet", "init", folder, "--listen", address]
        + (isEncrypted ? try await makeCertificate() : []))
    try startBroker()
    _ = try await sandbox.shell("ssh-keygen -q -t ed25519 -N '' -f \(key)")
  }

  /// Runs `body` with a fleet, and ends all of it.
  ///
  /// - Parameters:
  ///   - members: the workers' names, all in the group `web`.
  ///   - isEncrypted: whether the broker uses TLS, with a certificate of an authority of its own.
  static func with<Value>(
    _ members: [String], isEncrypted: Bool = false, _ body: (FleetStage) async throws -> Value
  ) async throws -> Value {
    let stage = try await FleetStage(isEncrypted: isEncrypted)
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

  /// Makes an authority, and a certificate of it for the broker.
  ///
  /// - Returns: the options of `fleet init` that use them.
  private func makeCertificate() async throws -> [String] {
    let (folder, host) = (sandbox.folder, address.dropLast(":4222".count))
    let made = try await sandbox.shell(
      """
      cd \(folder) || exit
      openssl req -x509 -newkey ed25519 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem && \
      openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=server -CA ca.pem -CAkey ca.key \
        -addext subjectAltName=IP:\(host) -keyout server.key -out server.pem && \
      openssl req -x509 -newkey ed25519 -nodes -days 2 -subj /CN=other -keyout other.key -out other.pem
      """)
    guard made.status == 0 else { throw Failed("openssl: \(made.errorText)") }
    return [
      "--certificate", "\(folder)/server.pem", "--certificate-key", "\(folder)/server.key",
      "--hub-ca", "\(folder)/ca.pem",
    ]
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
    try await child(arguments).finish()
  }

  /// Starts telpher as the administrator, or as another member.
  func child(_ arguments: [String], as member: String = "admin") throws -> Child {
    try sandbox.start(arguments, environment: ["TELPHER_FLEET": "\(folder)/\(member)"])
  }

  /// What the broker has logged.
  var brokerLog: String { TelpherTestSupport.Sandbox.text(sandbox.folder + "/nats.log") ?? "" }

  /// Lets the broker read its users again.
  func reloadBroker() { broker.withLock { $0?.signal(SIGHUP) } }

  /// Sends a worker a signal.
  func signal(_ name: String, _ number: Int32) {
    workers.withLock { $0[name]?.signal(number) }
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
