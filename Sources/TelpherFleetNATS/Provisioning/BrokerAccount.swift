internal import TelpherFleet
internal import TelpherNATS

/// An account of a fleet's broker: names of one account mean nothing in another one, except for what
/// it imports.
///
/// nats-server checks which subjects a user may publish to, but not the subject that a request names for
/// its answer. If members were in the account with the streams, the answer of JetStream to a read could
/// be sent to a subject of a record, or to a request of the API, with bytes that the member has stored
/// before. So each member has an account of its own. An answer to it arrives there, and a name there
/// leads at most to what the member may use.
struct BrokerAccount {
  /// Its name.
  let name: String
  private let isOfStreams: Bool
  private let members: [FleetMember]
  /// What others may import, as entries of a list.
  private let exports: [String]
  /// What it imports, as entries of a list.
  private let imports: [String]

  /// The accounts of a fleet.
  static func all(_ members: [FleetMember]) -> [BrokerAccount] {
    [streams(members)]
      + members.filter { $0.role != .administrator }.map { member(of: $0) }
  }

  /// The name of the account with the streams.
  private static let nameOfStreams = "fleet"

  private static func name(of member: FleetName) -> String { "member-\(member)" }

  /// The account with the streams, which only administrators are in. Its exports are what any member can
  /// import.
  private static func streams(_ members: [FleetMember]) -> BrokerAccount {
    let services =
      ["tj.job.>", "tj.w.*.rpc"] + RecordName.Kind.allCases.map { FleetSubjects.records($0).text }
      + [
        "$KV.TJ_WORKERS.*", "$JS.ACK.TJ.>", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*",
        "$JS.API.STREAM.MSG.DELETE.TJ", "$JS.API.CONSUMER.LIST.TJ", "$JS.API.CONSUMER.INFO.TJ.*",
      ]
    // One request has several answers.
    let streamed = ["$JS.API.DIRECT.GET.*", "$JS.API.CONSUMER.MSG.NEXT.TJ.*"]
    let events = [RecordName.Kind.result, .cancel].map { FleetSubjects.announcements($0).text }
    return BrokerAccount(
      name: nameOfStreams, isOfStreams: true,
      members: members.filter { $0.role == .administrator },
      exports: services.map { "{ service: \"\($0)\" }" }
        + streamed.map { "{ service: \"\($0)\", response: stream }" }
        + events.map { "{ stream: \"\($0)\" }" },
      // Calls pass through, so that a new worker changes no account of a submitter.
      imports: members.compactMap { member in
        member.calls.map { imported("service", name(of: member.name), $0) }
      })
  }

  private static func member(of member: FleetMember) -> BrokerAccount {
    let services = (member.services ?? []).map { subject in
      imported("service", nameOfStreams, subject, as: FleetMember.memberName(subject))
    }
    return BrokerAccount(
      name: name(of: member.name), isOfStreams: false, members: [member],
      exports: [member.calls].compactMap(\.self).map { "{ service: \"\($0)\" }" },
      imports: services + member.events.map { imported("stream", nameOfStreams, $0) })
  }

  private static func imported(
    _ kind: String, _ account: String, _ subject: String, as name: String? = nil
  ) -> String {
    let renaming = name.flatMap { $0 == subject ? nil : ", to: \"\($0)\"" } ?? ""
    return "{ \(kind): { account: \"\(account)\", subject: \"\(subject)\" }\(renaming) }"
  }

  /// The account as an entry of the configuration.
  var text: String {
    func list(_ name: String, _ entries: [String]) -> String {
      guard !entries.isEmpty else { return "" }
      return "    \(name): [\n" + entries.map { "      \($0)\n" }.joined() + "    ]\n"
    }
    return "  \"\(name)\": {\n" + (isOfStreams ? "    jetstream: enabled\n" : "")
      + list("users", members.map(\.user)) + list("exports", exports) + list("imports", imports)
      + "  }\n"
  }
}
