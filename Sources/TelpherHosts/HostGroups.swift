package import TelpherText

/// Groups of hosts from several sources, such as the user's own file and an inventory.
package struct HostGroups: Sendable {
  /// Where groups come from.
  package struct Source: Sendable {
    /// The name before the colon of `@source:group`.
    package var name: String
    /// The groups by name.
    package var groups: [ExactText: Group]
    /// Hosts that are in no group.
    package var others: HostSet
    /// How to reach hosts of this source that are not reached by their names.
    package var addresses: [NodeName: HostAddress]

    /// A source.
    package init(
      name: String, groups: [ExactText: Group], others: HostSet = HostSet(),
      addresses: [NodeName: HostAddress] = [:]
    ) {
      self.name = name
      self.groups = groups
      self.others = others
      self.addresses = addresses
    }
  }

  /// The hosts of a group.
  package enum Group: Equatable, Sendable {
    /// These.
    case hosts(HostSet)
    /// Those of a set as `HostSet.init(parsing:lookUp:)` reads it. Groups without a source are those
    /// of the same source, if it has them.
    case expression(String)
  }

  /// The sources, in the order in which a group without a source is looked up.
  package let sources: [Source]

  /// Groups of these sources. If two have the same name, the first counts.
  package init(_ sources: [Source]) { self.sources = sources }

  /// Reads a set of hosts with these groups.
  ///
  /// - Throws: `HostsError`, also if a group is unknown or contains itself.
  package func hosts(_ text: String) throws(HostsError) -> HostSet {
    var lookup = Lookup(groups: self)
    return try lookup.hosts(text, in: nil)
  }

  /// How to reach a host; nil if no source has an address for it.
  package func address(of host: NodeName) -> HostAddress? {
    for source in sources {
      if let address = source.addresses[host] { return address }
    }
    return nil
  }

  /// Finds groups, each once.
  private struct Lookup {
    let groups: HostGroups
    private var found: [Key: HostSet] = [:]
    /// The groups that are being looked up, each within the one before it.
    private var path: [Key] = []

    init(groups: HostGroups) { self.groups = groups }

    private struct Key: Hashable {
      let source: Int
      let group: ExactText
    }

    mutating func hosts(_ text: String, in source: Int?) throws(HostsError) -> HostSet {
      // A closure that throws can't change `self`, so it changes a copy.
      var copy = self
      defer { self = copy }
      return try HostSet(parsing: text) { name, group throws(HostsError) in
        try copy.hosts(ofGroup: group, name, in: source)
      }
    }

    private mutating func hosts(
      ofGroup group: String, _ name: String?, in current: Int?
    ) throws(HostsError) -> HostSet {
      let source = try self.source(of: group, name, in: current)
      if group == "*" { return try all(source) }
      let key = Key(source: source, group: ExactText(group))
      if let hosts = found[key] { return hosts }
      if path.contains(key) {
        throw HostsError(
          "the group '\(group)' contains itself, by way of \((path.drop { $0 != key } + [key]).map { "@\($0.group)" }.joined(separator: " "))"
        )
      }
      let hosts: HostSet
      switch groups.sources[source].groups[key.group] {
      case .hosts(let set): hosts = set
      case .expression(let text):
        path.append(key)
        defer { path.removeLast() }
        do throws(HostsError) { hosts = try self.hosts(text, in: source) } catch {
          throw HostsError(
            error.description.hasPrefix("the group '")
              ? error.description : "the group '\(group)': \(error)")
        }
      case nil: preconditionFailure("`source(of:_:in:)` found it there")
      }
      found[key] = hosts
      return hosts
    }

    /// All hosts of a source.
    private mutating func all(_ source: Int) throws(HostsError) -> HostSet {
      var all = groups.sources[source].others
      for group in groups.sources[source].groups.keys.sorted() {
        all = try all.union(
          try hosts(ofGroup: group.text, groups.sources[source].name, in: source))
      }
      return all
    }

    /// The source that has a group.
    private func source(
      of group: String, _ name: String?, in current: Int?
    ) throws(HostsError) -> Int {
      let sources = groups.sources
      guard !sources.isEmpty else {
        throw HostsError(
          "'@\(group)': there are no groups, neither a file of groups nor an inventory")
      }
      let candidates: [Int]
      if let name {
        guard let index = sources.firstIndex(where: { $0.name == name }) else {
          throw HostsError(
            "'@\(name):\(group)': there is no source of groups named '\(name)', only \(sources.map { "'\($0.name)'" }.joined(separator: ", "))"
          )
        }
        candidates = [index]
      } else {
        candidates = (current.map { [$0] } ?? []) + sources.indices.filter { $0 != current }
      }
      if group == "*" { return candidates[0] }
      let exact = ExactText(group)
      guard let source = candidates.first(where: { sources[$0].groups[exact] != nil }) else {
        throw HostsError("there is no group '\(name.map { "\($0):" } ?? "")\(group)'")
      }
      return source
    }
  }
}

/// How to reach a host by ssh.
package struct HostAddress: Equatable, Sendable {
  /// The host to connect to; nil for the host's own name.
  package var host: String?
  /// The port; nil for ssh's default.
  package var port: String?
  /// The user to log in as; nil for ssh's default.
  package var user: String?

  /// An address in which nothing differs from the name.
  package init() {}

  /// The address as a URL, for a host with this name.
  package func url(for name: NodeName) -> String {
    let host = host ?? name.text
    let bracketed = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
    return "ssh://\(user.map { "\($0)@" } ?? "")\(bracketed)\(port.map { ":\($0)" } ?? "")"
  }
}
