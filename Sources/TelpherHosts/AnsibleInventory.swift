internal import TelpherText

/// The groups, hosts and addresses of an Ansible inventory.
///
/// Of the variables only `ansible_host`, `ansible_port` and `ansible_user` are used. A variable of a
/// host counts before those of its groups, and of its groups the one that is deeper below `all`, or
/// else the later by name, counts first.
package struct AnsibleInventory: Equatable, Sendable {
  /// The form of an inventory.
  package enum Format: Sendable {
    /// Sections in brackets, with a host a line.
    case ini
    /// Nested groups.
    case yaml

    /// The form of the file at `path` with this text: by the end of its name, else by its first
    /// line with content.
    package init(path: String, text: String) {
      if [".yml", ".yaml"].contains(where: path.hasSuffix) {
        self = .yaml
        return
      }
      let first = text.split(whereSeparator: \.isNewline).first {
        !$0.allSatisfy(\.isWhitespace) && !$0.hasPrefix("#") && !$0.hasPrefix(";")
      }
      self = first == "---" || first == "all:" ? .yaml : .ini
    }
  }

  /// What the file says about a group.
  struct Group: Equatable, Sendable {
    var hosts: [NodeName] = []
    var children: Set<ExactText> = []
    var variables = HostAddress()
  }

  /// The groups by name; `all` is always there.
  private(set) var groups: [ExactText: Group] = [Self.all: Group()]
  /// The variables of each host.
  private(set) var hosts: [NodeName: HostAddress] = [:]

  static let all: ExactText = "all"
  private static let ungrouped: ExactText = "ungrouped"

  /// Reads an inventory.
  ///
  /// - Throws: `HostsError`.
  package init(parsing text: String, _ format: Format) throws(HostsError) {
    switch format {
    case .ini: try readINI(text)
    case .yaml: try readYAML(text)
    }
  }

  // MARK: What the readers of both forms call

  /// Adds a group.
  mutating func add(group: ExactText) {
    if groups[group] == nil { groups[group] = Group() }
  }

  /// Makes `child` a group below `parent`.
  mutating func add(child: ExactText, of parent: ExactText) {
    add(group: child)
    groups[parent, default: Group()].children.insert(child)
  }

  /// Adds the hosts that `pattern` writes to a group.
  ///
  /// - Throws: `HostsError`.
  mutating func add(
    hosts pattern: String, to group: ExactText, _ variables: HostAddress
  ) throws(HostsError) {
    for name in try AnsiblePattern.names(pattern) {
      groups[group, default: Group()].hosts.append(name)
      hosts[name, default: HostAddress()].override(by: variables)
      guard hosts.count <= HostSet.maxCount else { throw HostSet.tooMany }
    }
  }

  /// Sets variables of a group.
  mutating func set(_ variables: HostAddress, of group: ExactText) {
    groups[group, default: Group()].variables.override(by: variables)
  }

  // MARK: The result

  /// The inventory as a source of groups.
  ///
  /// - Throws: `HostsError` if a group is below itself.
  package func source(named name: String) throws(HostsError) -> HostGroups.Source {
    let depths = try depths()
    // The deepest first, so that the hosts of the groups below a group are known before it.
    var members: [ExactText: Set<NodeName>] = [:]
    for group in depths.keys.sorted(by: { depths[$0, default: 0] > depths[$1, default: 0] }) {
      guard let content = groups[group] else { continue }
      members[group] = content.children.reduce(into: Set(content.hosts)) { all, child in
        all.formUnion(members[child] ?? [])
      }
    }
    var addresses: [NodeName: HostAddress] = [:]
    let byDepth = depths.keys.sorted {
      (depths[$0, default: 0], $0) < (depths[$1, default: 0], $1)
    }
    for group in byDepth {
      guard let variables = groups[group]?.variables, variables != HostAddress() else { continue }
      for host in group == Self.all ? Set(hosts.keys) : members[group] ?? [] {
        addresses[host, default: HostAddress()].override(by: variables)
      }
    }
    for (host, variables) in hosts where variables != HostAddress() {
      addresses[host, default: HostAddress()].override(by: variables)
    }
    var named: [ExactText: HostGroups.Group] = [:]
    for (group, hosts) in members { named[group] = .hosts(try HostSet(hosts)) }
    named[Self.all] = .hosts(try HostSet(hosts.keys))
    let grouped = members.filter { $0.key != Self.all && $0.key != Self.ungrouped }
      .values.reduce(into: Set()) { $0.formUnion($1) }
    named[Self.ungrouped] = .hosts(try HostSet(hosts.keys.filter { !grouped.contains($0) }))
    return HostGroups.Source(name: name, groups: named, addresses: addresses)
  }

  /// How deep each group is below `all`: one more than the deepest group above it.
  private func depths() throws(HostsError) -> [ExactText: Int] {
    var parents: [ExactText: Int] = [:]
    for group in groups.values {
      for child in group.children { parents[child, default: 0] += 1 }
    }
    var depths: [ExactText: Int] = [:]
    var ready = groups.keys.filter { parents[$0] == nil }
    for group in ready { depths[group] = group == Self.all ? 0 : 1 }
    var done = 0
    while let group = ready.popLast() {
      done += 1
      let below = max(1, depths[group, default: 0] + 1)
      for child in groups[group]?.children ?? [] {
        depths[child] = max(depths[child] ?? 0, below)
        parents[child, default: 1] -= 1
        if parents[child] == 0 { ready.append(child) }
      }
    }
    guard done == groups.count else {
      let names = groups.keys.filter { parents[$0, default: 0] > 0 }.sorted()
      throw HostsError(
        "these groups contain each other: \(names.map(\.text).joined(separator: ", "))")
    }
    return depths
  }
}

extension HostAddress {
  /// Takes what `other` sets.
  mutating func override(by other: HostAddress) {
    host = other.host ?? host
    port = other.port ?? port
    user = other.user ?? user
  }

  /// Sets the variable `name` if it is one of those that are used.
  ///
  /// - Throws: `HostsError` if its value is a template, or no port.
  mutating func set(_ name: String, to value: String) throws(HostsError) {
    let key: WritableKeyPath<HostAddress, String?>
    switch name {
    case "ansible_host", "ansible_ssh_host": key = \.host
    case "ansible_port", "ansible_ssh_port": key = \.port
    case "ansible_user", "ansible_ssh_user": key = \.user
    default: return
    }
    guard !value.isEmpty, !value.contains("{{") else {
      throw HostsError(
        "\(name) is '\(value)': it must be a plain value, because telpher evaluates no templates")
    }
    if key == \.port, UInt16(value).map({ $0 > 0 }) != true {
      throw HostsError("\(name) is '\(value)': a port is a number from 1 to 65535")
    }
    self[keyPath: key] = value
  }
}
