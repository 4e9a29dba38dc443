private import TelpherText
private import TelpherYAML

// The form with nested groups:
//
//     all:
//       hosts:
//         web1: {ansible_host: 10.0.0.1}
//       children:
//         web:
//           hosts:
//             web[01:40]:
//           vars:
//             ansible_user: deploy
extension AnsibleInventory {
  /// The most groups within each other: far more than any inventory has, and few enough for the
  /// stack.
  private static let maxDepth = 64

  /// Reads an inventory with nested groups.
  ///
  /// - Throws: `HostsError`.
  mutating func readYAML(_ text: String) throws(HostsError) {
    var reader = YAMLReader(text)
    let document: YAMLNode
    do throws(YAMLError) { document = try reader.document() } catch {
      throw HostsError(error.description)
    }
    for (name, value) in try Self.entries(document.value, "the inventory") {
      try read(group: ExactText(name), value, depth: 0)
    }
  }

  private mutating func read(
    group: ExactText, _ value: YAMLValue, depth: Int
  ) throws(HostsError) {
    guard depth < Self.maxDepth else {
      throw HostsError("more than \(Self.maxDepth) groups are within each other")
    }
    add(group: group)
    for (key, value) in try Self.entries(value, "the group '\(group)'") {
      switch key {
      case "hosts":
        for (host, variables) in try Self.entries(value, "'hosts' of the group '\(group)'") {
          let (name, port) = AnsiblePattern.separatePort(host)
          var address = try Self.address(variables, "the host '\(host)'")
          if let port, address.port == nil { try address.set("ansible_port", to: port) }
          try add(hosts: name, to: group, address)
        }
      case "children":
        for (child, content) in try Self.entries(value, "'children' of the group '\(group)'") {
          add(child: ExactText(child), of: group)
          try read(group: ExactText(child), content, depth: depth + 1)
        }
      case "vars": set(try Self.address(value, "'vars' of the group '\(group)'"), of: group)
      default:
        throw HostsError(
          "the group '\(group)' has the key '\(key)': only hosts, children and vars are allowed")
      }
    }
  }

  private static func address(
    _ value: YAMLValue, _ what: String
  ) throws(HostsError) -> HostAddress {
    var address = HostAddress()
    for (key, value) in try entries(value, what) {
      guard case .scalar(let text) = value else { continue }
      try address.set(key, to: text)
    }
    return address
  }

  /// The entries of a mapping, which may be missing.
  private static func entries(
    _ value: YAMLValue, _ what: String
  ) throws(HostsError) -> [(String, YAMLValue)] {
    switch value {
    case .null: return []
    case .mapping(let entries): return entries.map { ($0.key, $0.node.value) }
    case .scalar, .list: throw HostsError("\(what) is not a mapping")
    }
  }
}
