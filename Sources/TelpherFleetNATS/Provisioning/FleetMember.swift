package import TelpherFleet
internal import TelpherNATS

/// Someone with credentials for a fleet's broker, and what they may do there.
package struct FleetMember: Sendable, Equatable {
  /// The parts that a member can have.
  package enum Role: Sendable, Equatable {
    /// Everything: sets the fleet up, and enrolls others.
    case administrator
    /// Submits, cancels and lists jobs. Of their records it writes only that they are canceled.
    case submitter
    /// Takes jobs of its own queue and of those of its groups, writes their records, and nothing else.
    case worker(groups: [FleetName])
  }

  /// Its name.
  package let name: FleetName
  /// What it may do.
  package let role: Role
  /// Its public nkey: the only secret is with the member.
  package let publicKey: String

  /// A member.
  package init(_ name: FleetName, _ role: Role, publicKey: String) {
    (self.name, self.role, self.publicKey) = (name, role, publicKey)
  }

  /// The prefix of the subjects at which it gets answers. Each member has its own, so that none can read
  /// the answers to others.
  package static func inbox(_ name: FleetName) -> String { "_INBOX.\(name)" }
}

extension FleetMember {
  /// The member as a line of the list of members: `worker web1 UB... web,db`.
  package var line: String {
    switch role {
    case .administrator: "administrator \(name) \(publicKey)"
    case .submitter: "submitter \(name) \(publicKey)"
    case .worker(let groups):
      "worker \(name) \(publicKey)"
        + (groups.isEmpty ? "" : " " + groups.map(\.description).joined(separator: ","))
    }
  }

  /// Reads a line; nil if it is none.
  package init?(line: String) {
    let words = line.split(separator: " ").map(String.init)
    guard (3...4).contains(words.count), let name = FleetName(words[1]),
      words[2].utf8.allSatisfy({ UInt8(ascii: "2")...UInt8(ascii: "Z") ~= $0 })
    else { return nil }
    switch (words[0], words.count) {
    case ("administrator", 3): self.init(name, .administrator, publicKey: words[2])
    case ("submitter", 3): self.init(name, .submitter, publicKey: words[2])
    case ("worker", _):
      let texts = words.count == 4 ? words[3].split(separator: ",").map(String.init) : []
      let groups = texts.compactMap(FleetName.init)
      guard groups.count == texts.count else { return nil }
      self.init(name, .worker(groups: groups), publicKey: words[2])
    default: return nil
    }
  }
}

// MARK: Permissions

extension FleetMember {
  /// The subjects that the member may publish to; nil for all.
  var publishes: [String]? {
    let records = ["$JS.API.STREAM.MSG.GET.TR", "$JS.API.DIRECT.GET.TR"]
    let workers = ["$JS.API.DIRECT.GET.KV_TJ_WORKERS"]
    // They reveal only that the fleet exists, and the broker's time.
    let streams = ["TJ", "TR", "KV_TJ_WORKERS"].map { "$JS.API.STREAM.INFO.\($0)" }
    switch role {
    case .administrator: return nil
    case .submitter:
      return ["tj.job.>", "tj.w.*.rpc", FleetSubjects.records(.cancel).text] + records + workers
        + streams
        + [
          "$JS.API.STREAM.MSG.GET.TJ", "$JS.API.DIRECT.GET.TJ", "$JS.API.STREAM.MSG.DELETE.TJ",
          "$JS.API.CONSUMER.LIST.TJ", "$JS.API.CONSUMER.INFO.TJ.*",
        ]
    case .worker(let groups):
      let queues = ([.worker(name)] + groups.map(QueueName.group)).flatMap { queue in
        let consumer = FleetSubjects.consumer(queue)
        return [
          "$JS.API.CONSUMER.MSG.NEXT.TJ.\(consumer)", "$JS.API.CONSUMER.INFO.TJ.\(consumer)",
          "$JS.ACK.TJ.\(consumer).>",
        ]
          + [RecordName.Kind.claim, .result, .dead].map {
            "tj.\(FleetSubjects.word($0)).\(FleetSubjects.parts(queue)).*"
          }
      }
      return queues + records + workers + streams + ["$KV.TJ_WORKERS.\(name)"]
    }
  }

  /// The subjects that the member may subscribe to; nil for all.
  var subscribes: [String]? {
    let own = "\(Self.inbox(name)).>"
    switch role {
    case .administrator: return nil
    case .submitter:
      return [own] + [.result, .cancel].map { FleetSubjects.records($0).text }
    case .worker: return [own, "tj.w.\(name).rpc"]
    }
  }

  /// The member as an entry of nats-server's list of users.
  var user: String {
    guard let publishes, let subscribes else { return "{ nkey: \(publicKey) }" }
    func list(_ subjects: [String]) -> String {
      subjects.map { "\"\($0)\"" }.joined(separator: ", ")
    }
    var answers = ""
    // Answers to calls go to the caller's own subject, which only the call names.
    if case .worker = role { answers = ", allow_responses: { max: 1, expires: \"1m\" }" }
    return """
      { nkey: \(publicKey), permissions: { \
      publish: { allow: [\(list(publishes))] }, subscribe: { allow: [\(list(subscribes))] }\(answers) } }
      """
  }
}
