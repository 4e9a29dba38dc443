import TelpherFleet
import TelpherFleetNATS
import TelpherNATS
import TelpherTestSupport
import TelpherTransport
import Testing

/// Servers of NATS and the loop of the fleet's engines, for one test.
struct FleetStage {
  let servers: [NATSServer]
  let loop: any EventLoop

  /// Runs `body` with one server, or with three of a cluster, and ends everything after it.
  static func with(
    cluster: Bool = false, options: String = "", _ body: (FleetStage) async throws -> Void
  ) async throws {
    let servers =
      cluster
      ? try NATSServer.cluster(options: options) : [try NATSServer.started(options: options)]
    let loop = try SystemBackend.uv.makeLoop()
    let result: Result<Void, any Error>
    do {
      result = .success(try await body(FleetStage(servers: servers, loop: loop)))
    } catch { result = .failure(error) }
    for server in servers { server.kill() }
    await loop.shutDown()
    try result.get()
  }

  /// A new connection to the servers.
  func connect(
    _ credentials: NATSCredentials = .none, inboxPrefix: NATSSubject = "_INBOX"
  ) async throws -> NATSFleet {
    var list: [NATSAddress] = []
    for server in servers { list.append(try NATSAddress(parsing: server.address)) }
    var configuration = NATSConfiguration(
      servers: list, credentials: credentials, inboxPrefix: inboxPrefix)
    configuration.longestPause = .milliseconds(200)
    return try await NATSFleet.connect(configuration, on: loop, within: .seconds(120))
  }

  /// A connection to the broker itself.
  func raw() async throws -> NATSConnection {
    try await NATSConnection.connect(
      NATSConfiguration(servers: [try NATSAddress(parsing: servers[0].address)]), on: loop,
      within: .seconds(120))
  }

  /// The settings for these servers. A busy machine may make a worker late, not gone.
  var settings: EngineSettings {
    var settings = EngineSettings()
    settings.replicas = servers.count
    return settings
  }

  /// A new connection to a fleet that was set up, with the queue `web`.
  ///
  /// The servers of a cluster that has just begun refuse everything for some seconds.
  func fleet() async throws -> NATSFleet {
    let fleet = try await connect()
    try await Self.repeatedly { try await fleet.setUp(settings) }
    try await Self.repeatedly { try await fleet.addQueue(Self.web) }
    return fleet
  }

  /// The queue of the tests.
  static let web = QueueName.group(FleetName("web")!)

  /// Repeats a call while its failure may pass, as its callers do.
  static func repeatedly<Value>(_ body: () async throws -> Value) async throws -> Value {
    let end = ContinuousClock.now + .seconds(240)
    while true {
      do {
        return try await body()
      } catch let error as FleetError where error.isPassing && ContinuousClock.now < end {
        try await Task.sleep(for: .milliseconds(50))
      }
    }
  }
}

/// The code of the error of the fleet that `body` throws; nil if it throws nothing.
func code(_ body: () async throws -> Void) async throws -> FleetError.Code? {
  do {
    try await body()
    return nil
  } catch let error as FleetError {
    return error.code
  }
}

/// The errors that a subscription has reported.
final class Errors: Sendable {
  private let state = Monitor<[NATSError.Code]>([])

  var codes: [NATSError.Code] { state.withLock { $0 } }

  func add(_ code: NATSError.Code) { state.withLock { $0.append(code) } }
}
