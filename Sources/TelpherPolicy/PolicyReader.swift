internal import TelpherText
internal import TelpherTransport
internal import TelpherYAML

/// Reads the rules of a policy file. Every key that it does not know, every value of another form and
/// every key that occurs twice is an error.
struct PolicyReader {
  private let values: PolicyValues
  private var groups: [ExactText: Set<PolicyIdentity>] = [:]

  init(_ values: PolicyValues) { self.values = values }

  /// The rules of a file.
  mutating func rules(of text: String) throws(PolicyFault) -> [PolicyRule] {
    var reader = YAMLReader(text, refusesBlockScalars: true)
    let document: YAMLNode
    do throws(YAMLError) { document = try reader.document() } catch {
      throw PolicyFault(error.line, error.message)
    }
    let entries = try Self.entries(document, "a policy", ["groups", "rules"])
    if let node = entries["groups"]?.node { try readGroups(node) }
    guard let node = entries["rules"]?.node else {
      throw PolicyFault(document.line, "there is no key 'rules': without a rule nothing is allowed")
    }
    return try Self.items(node, "'rules'").map { item throws(PolicyFault) in try rule(item) }
  }

  // MARK: Identities

  private mutating func readGroups(_ node: YAMLNode) throws(PolicyFault) {
    for entry in try Self.entries(node, "'groups'") {
      guard PolicyIdentity(entry.key) == nil, !entry.key.isEmpty else {
        throw PolicyFault(entry.line, "'\(entry.key)' can't be the name of a group")
      }
      groups[ExactText(entry.key)] = try identities(entry.node, "the group '\(entry.key)'")
    }
  }

  /// Identities and groups that were defined before.
  private func identities(
    _ node: YAMLNode, _ what: String
  ) throws(PolicyFault) -> Set<PolicyIdentity> {
    var all: Set<PolicyIdentity> = []
    for (line, text) in try Self.texts(node, what) {
      if let identity = PolicyIdentity(text) {
        all.insert(identity)
      } else if let group = groups[ExactText(text)] {
        all.formUnion(group)
      } else {
        throw PolicyFault(
          line,
          "'\(text)' is neither an identity (\(PolicyIdentity.forms)) nor a group that is defined above"
        )
      }
    }
    guard !all.isEmpty else { throw PolicyFault(node.line, "\(what) is empty") }
    return all
  }

  // MARK: Rules

  private static let keys = [
    "for", "allow", "commands", "shell", "terminal", "read", "write", "jobs", "connect", "listen",
    "environment", "accept_environment", "directory", "limits", "run_as",
  ]
  /// The keys that allow something.
  private static let allowing = [
    "allow", "commands", "shell", "terminal", "read", "write", "jobs", "connect", "listen",
  ]

  private func rule(_ node: YAMLNode) throws(PolicyFault) -> PolicyRule {
    let entries = try Self.entries(node, "a rule", Self.keys)
    var rule = PolicyRule(line: node.line)
    guard let subjects = entries["for"] else {
      throw PolicyFault(node.line, "the rule has no key 'for': name the identities that it is for")
    }
    rule.identities = try identities(subjects.node, "'for'")
    guard entries.contains(where: { Self.allowing.contains($0.key) }) else {
      throw PolicyFault(
        node.line,
        "the rule allows nothing: it has none of \(Self.allowing.joined(separator: ", "))"
      )
    }
    if let entry = entries["allow"] {
      guard try Self.text(entry.node, "'allow'") == "all" else {
        throw PolicyFault(entry.line, "'allow' can only be 'all'; other keys allow a part")
      }
      if let other = entries.first(where: {
        $0.key != "allow" && Self.allowing.contains($0.key)
      }) {
        throw PolicyFault(other.line, "'allow: all' allows '\(other.key)' already")
      }
      rule.allowAll()
    }
    for entry in entries { try read(entry, into: &rule) }
    try check(rule, entries)
    // A client for which the server acts as another user sees only its own jobs.
    if rule.runsAs != nil { rule.allowsJobsOfOthers = false }
    return rule
  }

  private func read(_ entry: YAMLEntry, into rule: inout PolicyRule) throws(PolicyFault) {
    let (node, what) = (entry.node, "'\(entry.key)'")
    switch entry.key {
    case "commands": rule.commands = try commands(node)
    case "shell": rule.allowsShell = try Self.truth(node, what)
    case "terminal": rule.allowsTerminal = try Self.truth(node, what)
    case "read": rule.reads = try Self.folders(node, what)
    case "write": rule.writes = try Self.folders(node, what)
    case "jobs":
      switch try Self.text(node, what) {
      case "own": break
      case "all": rule.allowsJobsOfOthers = true
      case let other: throw PolicyFault(node.line, "'jobs' is 'own' or 'all', not '\(other)'")
      }
    case "connect": rule.connects = try addresses(node, what)
    case "listen": rule.listens = try addresses(node, what)
    case "accept_environment":
      rule.variables = try Self.texts(node, what).map { (line, text) throws(PolicyFault) in
        guard let pattern = TextPattern(text) else { throw Self.noPattern(line, text) }
        return pattern
      }
    case "environment": rule.environment = try environment(node)
    case "directory":
      let path = try Self.text(node, what)
      guard path.hasPrefix("/"), !path.utf8.contains(0) else {
        throw PolicyFault(node.line, "'directory' must be an absolute path, not '\(path)'")
      }
      rule.directory = path
    case "limits": try readLimits(node, into: &rule)
    case "run_as":
      let name = try Self.text(node, what)
      guard !name.isEmpty, !name.utf8.contains(0) else {
        throw PolicyFault(node.line, "'run_as' needs the name of a user, or 'from-key'")
      }
      rule.runsAs = name == "from-key" ? .fromKey : .user(name)
    default: break
    }
  }

  /// Checks the combination of keys in a rule.
  private func check(_ rule: PolicyRule, _ entries: [YAMLEntry]) throws(PolicyFault) {
    let runsNothing = rule.commands == .matching([]) && !rule.allowsShell
    for key in ["terminal", "environment", "directory", "limits"] {
      if runsNothing, let entry = entries[key] {
        throw PolicyFault(entry.line, "'\(key)' is of no use: the rule allows no command")
      }
    }
    if let entry = entries["accept_environment"], rule.commands == .any || runsNothing {
      throw PolicyFault(
        entry.line,
        "'accept_environment' is of no use: it is for a list of commands, with which the client may otherwise set no variable"
      )
    }
    if rule.runsAs != nil, rule.allowsJobsOfOthers, let entry = entries["jobs"] {
      throw PolicyFault(
        entry.line,
        "'jobs: all' can't be combined with 'run_as': such a client only sees its own jobs")
    }
  }

  private func commands(_ node: YAMLNode) throws(PolicyFault) -> PolicyRule.Commands {
    if case .scalar("any") = node.value { return .any }
    var patterns: [CommandPattern] = []
    for item in try Self.items(node, "'commands' is 'any' or a list: it") {
      guard case .list = item.value else {
        throw PolicyFault(
          item.line,
          "a command is a list of a program and its arguments, such as [systemctl, restart, web]")
      }
      let words = try Self.texts(item, "a command")
      guard let pattern = CommandPattern(words.map(\.text)) else {
        throw PolicyFault(
          item.line, "a command needs a program, and no word may end in a single backslash")
      }
      patterns.append(pattern)
    }
    return .matching(patterns)
  }

  private func addresses(
    _ node: YAMLNode, _ what: String
  ) throws(PolicyFault) -> PolicyRule.Addresses {
    if case .scalar("any") = node.value { return .any }
    return .matching(
      try Self.texts(node, what).map { (line, text) throws(PolicyFault) in
        guard let pattern = AddressPattern(text) else {
          throw PolicyFault(
            line,
            "'\(text)' is not an address: write tcp:HOST:PORT, tcp:*:PORT, tcp:HOST:*, unix:PATH or hub:NAME"
          )
        }
        return pattern
      })
  }

  private func environment(_ node: YAMLNode) throws(PolicyFault) -> [ExactText: String] {
    var variables: [ExactText: String] = [:]
    for entry in try Self.entries(node, "'environment'") {
      guard !entry.key.isEmpty, !entry.key.contains("="), !entry.key.utf8.contains(0) else {
        throw PolicyFault(entry.line, "'\(entry.key)' can't be the name of a variable")
      }
      let value = try Self.text(entry.node, "the variable '\(entry.key)'")
      guard !value.utf8.contains(0) else {
        throw PolicyFault(entry.line, "the variable '\(entry.key)' has a NUL")
      }
      variables[ExactText(entry.key)] = value
    }
    return variables
  }

  private func readLimits(_ node: YAMLNode, into rule: inout PolicyRule) throws(PolicyFault) {
    for entry in try Self.entries(node, "'limits'") {
      let text = try Self.text(entry.node, "the limit '\(entry.key)'")
      do throws(PolicyValues.Mistake) {
        switch entry.key {
        case "time":
          rule.milliseconds = try values.milliseconds(text)
        case "concurrency":
          guard let number = Int(text), (1...Self.maxConcurrency).contains(number) else {
            throw PolicyValues.Mistake(
              "'\(text)' is not a number from 1 to \(Self.maxConcurrency)")
          }
          rule.concurrency = number
        default: rule.limits.append(try values.limit(entry.key, text))
        }
      } catch {
        throw PolicyFault(entry.line, "the limit '\(entry.key)': \(error.message)")
      }
    }
  }

  /// The greatest value of `concurrency`: no server runs more commands.
  private static let maxConcurrency = 1 << 20
}

extension PolicyRule {
  /// Allows everything.
  fileprivate mutating func allowAll() {
    commands = .any
    (allowsShell, allowsTerminal) = (true, true)
    reads = [PolicyPath(isFromHome: false, bytes: [])]
    writes = reads
    allowsJobsOfOthers = true
    (connects, listens) = (.any, .any)
  }
}
