import TelpherFleet
import Testing

@testable import TelpherFleetNATS

@Suite struct FleetMemberTests {
  private let key = "UB7Q4YNUKFQ6BYV44LRMCIWKXTU2XPXBGVIPQ3XCCMSVMLXNOLNWSKDZ"

  @Test func aMemberSurvivesItsLine() {
    let name = FleetName("w1")!
    let roles: [FleetMember.Role] = [
      .administrator, .submitter, .worker(groups: []),
      .worker(groups: [FleetName("web")!, FleetName("db")!]),
    ]
    for role in roles {
      let member = FleetMember(name, role, publicKey: key)
      #expect(FleetMember(line: member.line) == member)
    }
    for line in [
      "", "worker", "worker w1", "owner w1 \(key)", "worker a.b \(key)", "worker w1 U\"",
      "worker w1 \(key) web,*", "submitter w1 \(key) web", "worker w1 \(key) web db",
    ] {
      #expect(FleetMember(line: line) == nil, "\(line)")
    }
  }

  @Test func aWorkerMayNotReachForeignQueues() {
    let member = FleetMember(
      FleetName("w1")!, .worker(groups: [FleetName("web")!]), publicKey: key)
    let services = member.services ?? []
    #expect(services.contains("$JS.API.CONSUMER.MSG.NEXT.TJ.g_web"))
    #expect(services.contains("$JS.API.CONSUMER.MSG.NEXT.TJ.h_w1"))
    #expect(!services.contains { $0.contains("DELETE") || $0.contains("PURGE") })
    #expect(
      !services.contains { $0.hasPrefix("tj.job") || $0 == ">" || $0.hasPrefix("$JS.API.>") })
    #expect(
      !services.contains { $0.contains("MSG.GET.TJ") || $0.hasPrefix("$JS.API.DIRECT.GET.TJ") })
    let publishes = member.publishes ?? []
    #expect(publishes.contains("TJ.API.CONSUMER.MSG.NEXT.TJ.g_web"))
    #expect(publishes.count == services.count && !publishes.contains { $0.contains("$JS.API") })
    #expect(!(member.subscribes ?? []).contains { $0 == ">" || $0.hasPrefix("_INBOX.>") })
  }

  @Test func aSubmitterTakesNoJobs() {
    let member = FleetMember(FleetName("s")!, .submitter, publicKey: key)
    #expect(
      !(member.publishes ?? []).contains { $0.contains("CONSUMER.MSG") || $0.contains("$JS.ACK") })
  }

  @Test func eachMemberHasAnAccountOfItsOwn() {
    func member(_ name: String, _ role: FleetMember.Role) -> FleetMember {
      FleetMember(FleetName(name)!, role, publicKey: key)
    }
    let text = BrokerConfiguration.users([
      member("admin", .administrator), member("w", .worker(groups: [])), member("s", .submitter),
    ])
    let accounts = text.split(separator: "\n").filter { $0.hasPrefix("  \"") }
    #expect(accounts == [#"  "fleet": {"#, #"  "member-w": {"#, #"  "member-s": {"#])
    #expect(text.split(separator: "\n").filter { $0.contains("nkey") }.count == 3)
    // Only the account with the streams has streams.
    #expect(text.split(separator: "\n").filter { $0.contains("jetstream") }.count == 1)
  }

  @Test func pathsAreQuoted() {
    let text = BrokerConfiguration(
      listen: "127.0.0.1:4222", store: "/a \"b\"\\", processFile: "/p"
    ).text
    #expect(text.contains(#"store_dir: "/a \"b\"\\""#))
    #expect(text.contains("sync_interval: always"))
  }
}
