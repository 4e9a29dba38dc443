import TelpherFleet
import TelpherFleetNATS
import TelpherNATS
import TelpherTestSupport

/// A fleet whose members have the accounts and permissions that they are enrolled with: workers A and C
/// in the group web, B in db, the submitter me, and an administrator.
struct MemberStage {
  static let (a, b, c) = (FleetName("A")!, FleetName("B")!, FleetName("C")!)
  static let (web, db) = (FleetName("web")!, FleetName("db")!)
  static let (admin, submitter) = (FleetName("admin")!, FleetName("me")!)

  let stage: FleetStage
  private let members: [FleetMember]
  private let keys: [FleetName: NKey]

  /// Runs `body` with one server, or with three of a cluster, and ends everything after it.
  static func with(
    cluster: Bool = false, _ body: (MemberStage) async throws -> Void
  ) async throws {
    let roles: [(FleetName, FleetMember.Role)] = [
      (a, .worker(groups: [web])), (b, .worker(groups: [db])), (c, .worker(groups: [web])),
      (admin, .administrator), (submitter, .submitter),
    ]
    var (keys, members): ([FleetName: NKey], [FleetMember]) = ([:], [])
    for (name, role) in roles {
      let key = NKey.randomUser()
      keys[name] = key
      members.append(FleetMember(name, role, publicKey: key.publicKey))
    }
    let users = BrokerConfiguration.users(members)
    try await FleetStage.with(cluster: cluster, options: users) { [keys, members] stage in
      let fleet = MemberStage(stage: stage, members: members, keys: keys)
      let administrator = try await fleet.connect(admin)
      // The servers of a cluster that has just begun refuse everything for some seconds.
      try await FleetStage.repeatedly { try await administrator.setUp(stage.settings) }
      for queue in [QueueName.group(web), .group(db), .worker(a), .worker(b), .worker(c)] {
        try await FleetStage.repeatedly { try await administrator.addQueue(queue) }
      }
      try await body(fleet)
    }
  }

  /// A connection of a member.
  func connect(_ name: FleetName) async throws -> NATSFleet {
    NATSFleet(try await connection(name), api: api(name))
  }

  /// A connection to the broker itself, with the credentials of a member.
  func raw(_ name: FleetName) async throws -> JetStream {
    JetStream(try await connection(name), api: api(name))
  }

  private func api(_ name: FleetName) -> NATSSubject {
    members.first { $0.name == name }?.api ?? JetStream.usualAPI
  }

  private func connection(_ name: FleetName) async throws -> NATSConnection {
    var configuration = NATSConfiguration(
      servers: try stage.servers.map { try NATSAddress(parsing: $0.address) },
      credentials: keys[name].map { .key($0) } ?? .none,
      inboxPrefix: try NATSSubject(FleetMember.inbox(name)))
    configuration.longestPause = .milliseconds(200)
    return try await NATSConnection.connect(configuration, on: stage.loop, within: .seconds(120))
  }
}
