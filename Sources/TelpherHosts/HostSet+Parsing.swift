extension HostSet {
  /// Finds the hosts of a group.
  ///
  /// - Parameters:
  ///   - source: the part before the colon; nil if there is none.
  ///   - group: the name, or `*` for all hosts of the source.
  package typealias GroupLookup = (_ source: String?, _ group: String) throws(HostsError) -> HostSet

  /// Reads a set of hosts.
  ///
  ///     set       = operand { operator operand }       from the left, all operators alike
  ///     operator  = "," | " "   union                  "!"  difference
  ///               | "&"         intersection           "^"  symmetric difference
  ///     operand   = name with ranges in brackets | "@" [ source ":" ] group | "@" [ source ":" ] "*"
  ///
  /// A comma before another operator has no meaning: `web[1-9],!web3` is `web[1-9]!web3`. Brackets
  /// with a colon are part of a name: an address of IPv6.
  ///
  /// - Throws: `HostsError`, also if the hosts are too many; what `lookUp` throws.
  package init(
    parsing text: String, lookUp: GroupLookup = HostSet.noGroups
  ) throws(HostsError) {
    var set = HostSet()
    for (operation, operand) in try Self.terms(of: text) {
      let other = try Self.hosts(of: operand, lookUp)
      switch operation {
      case .union: set = try set.union(other)
      case .difference: set = set.subtracting(other)
      case .intersection: set = set.intersection(other)
      case .symmetricDifference: set = try set.symmetricDifference(other)
      }
    }
    self = set
  }

  /// Whether `text` can only be a set and not the name or the address of one host.
  package static func isSet(_ text: String) -> Bool {
    // The rest of these is a path or a command, in which every character may occur.
    if text.hasPrefix("unix:") || text.hasPrefix("exec:") { return false }
    if text.hasPrefix("@") { return true }
    var rest = text[...]
    while let open = rest.firstIndex(of: "[") {
      guard let close = rest[open...].firstIndex(of: "]") else { return true }
      if !rest[open..<close].contains(":") { return true }
      rest = rest[rest.index(after: close)...]
    }
    // An address may have a query with '&', as in ssh://host?jump=a&identity=b.
    let name = text.prefix { $0 != "?" }
    return name.contains { operators[$0] != nil && $0 != " " }
  }

  /// A lookup for texts that may not have groups.
  package static func noGroups(_ source: String?, _ group: String) throws(HostsError) -> HostSet {
    throw HostsError("'@\(group)': groups can't be used here")
  }

  private enum Operation {
    case union, difference, intersection, symmetricDifference
  }

  private static let operators: [Character: Operation] = [
    ",": .union, " ": .union, "\t": .union, "\n": .union, "\r\n": .union, "!": .difference,
    "&": .intersection, "^": .symmetricDifference,
  ]

  /// The operands, each with the operator before it.
  private static func terms(of text: String) throws(HostsError) -> [(Operation, Substring)] {
    var terms: [(Operation, Substring)] = []
    /// The operator that waits for its operand, and how it was written.
    var pending: (Operation, Character)?
    var rest = text[...]
    while let first = rest.first {
      guard let operation = operators[first] else {
        let operand = rest.prefix(try length(of: rest))
        terms.append((pending?.0 ?? .union, operand))
        pending = nil
        rest = rest.dropFirst(operand.count)
        continue
      }
      rest.removeFirst()
      if first.isWhitespace {
        // Between two operands it is a union; beside an operator, nothing.
        if pending == nil, !terms.isEmpty { pending = (.union, " ") }
        continue
      }
      if let (_, before) = pending, before != " ", before != "," || first == "," {
        throw HostsError("'\(text)': there is nothing between '\(before)' and '\(first)'")
      }
      if terms.isEmpty { throw HostsError("'\(text)': there is nothing before '\(first)'") }
      pending = (operation, first)
    }
    if let (_, character) = pending, character != " " {
      throw HostsError("'\(text)': there is nothing after '\(character)'")
    }
    guard !terms.isEmpty else { throw HostsError("the set of hosts is empty") }
    return terms
  }

  /// The number of characters up to the next operator outside of brackets.
  private static func length(of text: Substring) throws(HostsError) -> Int {
    var count = 0
    var isInside = false
    for character in text {
      switch character {
      case "[" where isInside:
        throw HostsError("'\(text)': there is a '[' within brackets")
      case "[": isInside = true
      case "]" where !isInside: throw HostsError("'\(text)': there is a ']' without a '['")
      case "]": isInside = false
      default: if !isInside, operators[character] != nil { return count }
      }
      count += 1
    }
    if isInside { throw HostsError("'\(text)': a ']' is missing") }
    return count
  }

  private static func hosts(
    of operand: Substring, _ lookUp: GroupLookup
  ) throws(HostsError) -> HostSet {
    guard operand.first == "@" else { return try HostSet(expanded(operand).map(NodeName.init)) }
    var set = HostSet()
    for name in try expanded(operand.dropFirst()) {
      let colon = name.firstIndex(of: ":")
      let group = colon.map { String(name[name.index(after: $0)...]) } ?? name
      guard !group.isEmpty, colon != name.startIndex else {
        throw HostsError("'\(operand)': a group is @GROUP, @SOURCE:GROUP or @*")
      }
      set = try set.union(try lookUp(colon.map { String(name[..<$0]) }, group))
    }
    return set
  }

  /// The names that an operand writes: each combination of the indices in its brackets.
  private static func expanded(_ operand: Substring) throws(HostsError) -> [String] {
    var names = [""]
    var rest = operand
    while !rest.isEmpty {
      if let range = bracketed(rest) {
        let indices = try HostRange(parsing: range).indices
        let (count, overflows) = names.count.multipliedReportingOverflow(by: indices.count)
        guard !overflows, count <= maxCount else { throw tooMany }
        names = names.flatMap { name in indices.map { name + $0 } }
        rest = rest.dropFirst(range.count + 2)
        continue
      }
      // A text, with an address in brackets if it begins with one.
      var text = rest.prefix(1)
      while text.endIndex < rest.endIndex, bracketed(rest[text.endIndex...]) == nil {
        text = rest[rest.startIndex...text.endIndex]
      }
      for index in names.indices { names[index] += text }
      rest = rest[text.endIndex...]
    }
    guard names.allSatisfy({ $0.utf8.count <= maxNameLength }) else {
      throw HostsError("'\(operand.prefix(40))...': a name has more than \(maxNameLength) bytes")
    }
    return names
  }

  /// The text in the brackets with which `text` begins; nil if it begins otherwise, or with an
  /// address.
  private static func bracketed(_ text: Substring) -> Substring? {
    guard text.first == "[", let end = text.firstIndex(of: "]") else { return nil }
    let inside = text[text.index(after: text.startIndex)..<end]
    return inside.contains(":") ? nil : inside
  }
}
