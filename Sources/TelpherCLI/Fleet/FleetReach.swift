internal import Glibc
internal import TelpherAccess
internal import TelpherFleet
internal import TelpherFleetNATS
internal import TelpherNATS
internal import TelpherTransport

/// Which fleet to use: the values of `FleetOptions`.
struct FleetSettings: Sendable, Equatable {
  /// The value of `--fleet`.
  var file: String?
  /// The values of `--hub`.
  var hubs: [String] = []
  /// The value of `--hub-ca`.
  var authorities: String?
  /// The value of `--credentials`.
  var credentials: String?
}

/// Finds a fleet's broker and connects to it.
struct FleetReach {
  /// The fleet's file; an empty one if there is none.
  let file: FleetFile
  /// The addresses of the broker's servers.
  let hubs: [String]
  /// The path of the file with the authorities of the broker's certificate; nil for those of the
  /// system.
  let authorities: String?
  /// The path of the file with the credentials; nil for none.
  let credentials: String?

  /// Reads the fleet's file.
  ///
  /// - Throws: `Failure` if it has a mistake, or if no broker is named.
  init(
    _ settings: FleetSettings, environment: [String: String] = Environment.current()
  ) throws(Failure) {
    func variable(_ name: String) -> String? {
      environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
    let usual = ConfigurationFile(environment: environment, name: "fleet").path
    let path = settings.file ?? variable("TELPHER_FLEET") ?? usual
    let isNamed = settings.file != nil || variable("TELPHER_FLEET") != nil
    if isNamed || access(path, F_OK) == 0 {
      file = try FleetFile(parsing: SmallFile.text(path), path: path)
    } else {
      file = FleetFile()
    }
    let named = settings.hubs.isEmpty ? variable("TELPHER_HUB").map { [$0] } ?? [] : settings.hubs
    hubs = named.isEmpty ? file.hubs : named
    guard !hubs.isEmpty else {
      throw Failure(
        "name the fleet's broker with --hub, or the fleet's file with --fleet (\(usual) does not exist)",
        kind: "bad_configuration")
    }
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) + "/" } ?? ""
    func place(_ name: String) -> String { name.hasPrefix("/") ? name : folder + name }
    authorities = settings.authorities ?? file.authorities.map(place)
    credentials = settings.credentials ?? file.credentials.map(place)
  }

  /// Connects to the broker.
  ///
  /// - Parameter loop: the loop to use; nil for a new one.
  /// - Throws: `Failure`.
  func engine(on loop: (any EventLoop)? = nil) async throws -> any FleetEngine {
    do {
      let loop = try loop ?? CurrentBackend.require().makeClientLoop(startsPrograms: false)
      var configuration = NATSConfiguration(
        servers: try hubs.flatMap { try NATSAddress.list(parsing: $0) },
        credentials: try credentials.map { try NATSCredentials(contentsOf: SecretFile($0)) }
          ?? .none, trust: try trust())
      configuration.name = "telpher"
      if let member = file.member {
        configuration.inboxPrefix = try NATSSubject(FleetMember.inbox(member))
      }
      return try await Self.connect(
        configuration, file.api ?? JetStream.usualAPI, on: loop)
    } catch let error as NATSError {
      throw Failure(error.message, kind: "bad_configuration")
    } catch {
      throw explained(Failure(error))
    }
  }

  /// How the broker proves who it is, if it uses TLS.
  private func trust() throws(Failure) -> NATSTrust {
    guard let authorities else { return .systemAuthorities }
    return .authorities(Array(try SmallFile.text(authorities).utf8))
  }

  /// A failure with what to do about it, if the broker's certificate is not accepted.
  private func explained(_ failure: Failure) -> Failure {
    guard failure.message.contains("certificate") else { return failure }
    var explained = failure
    explained.message +=
      authorities.map { "; the authorities are those of \($0)" }
      ?? "; the authorities are those of this system, name others with --hub-ca"
    return explained
  }

  /// How often a broker that refuses the credentials is tried, and the pause in between: while it reads
  /// its users again, as after `fleet enroll`, it refuses all clients.
  private static let attempts = 25
  private static let pause = Duration.milliseconds(200)

  private static func connect(
    _ configuration: NATSConfiguration, _ api: NATSSubject, on loop: any EventLoop
  ) async throws -> any FleetEngine {
    for _ in 1..<attempts {
      do throws(FleetError) {
        return try await NATSFleet.connect(configuration, on: loop, api: api)
      } catch {
        guard error.code == .refused else { throw error }
      }
      try await Task.sleep(for: pause)
    }
    return try await NATSFleet.connect(configuration, on: loop, api: api)
  }
}
