package import TelpherFleet
package import TelpherNATS

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

  /// What the subjects of its requests to JetStream begin with; nil if it is as for any user of JetStream.
  package var api: NATSSubject? { role == .administrator ? nil : FleetSubjects.memberAPI }
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
