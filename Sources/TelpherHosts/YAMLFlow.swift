/// Reads values in brackets and quoted scalars.
struct YAMLFlow {
  /// What was not read yet.
  private(set) var rest: Substring

  /// The most brackets within each other, for the stack's sake.
  private static let maxDepth = 64

  init(_ text: Substring) { rest = text }

  /// Adds the next line of the text.
  mutating func append(_ line: Substring) {
    rest = Substring(rest + " " + YAMLReader.trimmed(line))
  }

  /// Whether every bracket and quote is closed.
  var isComplete: Bool {
    var depth = 0
    var quote: Character?
    var before: Character = " "
    for character in rest {
      if let open = quote {
        if character == open, !(open == "\"" && before == "\\") { quote = nil }
      } else {
        switch character {
        case "\"", "'": if before.isWhitespace || "{[,:".contains(before) { quote = character }
        case "{", "[": depth += 1
        case "}", "]": depth -= 1
        case "#" where before.isWhitespace: return depth == 0
        default: break
        }
      }
      before = before == "\\" && character == "\\" ? " " : character
    }
    return depth <= 0 && quote == nil
  }

  /// The value of all the text.
  ///
  /// - Throws: `HostsError`.
  mutating func value() throws(HostsError) -> YAMLValue {
    let value = try value(0)
    try end()
    return value
  }

  /// Checks that only a comment is left.
  ///
  /// - Throws: `HostsError`.
  mutating func end() throws(HostsError) {
    skipSpaces()
    guard rest.isEmpty || rest.first == "#" else {
      throw HostsError("'\(rest)' follows a value that has ended")
    }
  }

  private mutating func skipSpaces() { rest = rest.drop(while: \.isWhitespace) }

  private mutating func value(_ depth: Int) throws(HostsError) -> YAMLValue {
    guard depth < Self.maxDepth else {
      throw HostsError("more than \(Self.maxDepth) brackets are within each other")
    }
    skipSpaces()
    switch rest.first {
    case "{":
      rest.removeFirst()
      var entries: [(String, YAMLValue)] = []
      while try !isClosed(by: "}") {
        let key = try scalar(endedBy: ",}:")
        skipSpaces()
        var value = YAMLValue.null
        if rest.first == ":" {
          rest.removeFirst()
          value = try self.value(depth + 1)
        }
        entries.append((key, value))
        try separate(before: "}")
      }
      return .mapping(entries)
    case "[":
      rest.removeFirst()
      var items: [YAMLValue] = []
      while try !isClosed(by: "]") {
        items.append(try value(depth + 1))
        try separate(before: "]")
      }
      return .list(items)
    case "\"", "'": return .scalar(try quoted())
    case "&", "*": throw HostsError("anchors and aliases are not supported")
    default: return .plain(try scalar(endedBy: ",}]"))
    }
  }

  private mutating func isClosed(by bracket: Character) throws(HostsError) -> Bool {
    skipSpaces()
    guard rest.first == bracket else {
      if rest.isEmpty { throw HostsError("a bracket is not closed") }
      return false
    }
    rest.removeFirst()
    return true
  }

  private mutating func separate(before bracket: Character) throws(HostsError) {
    skipSpaces()
    if rest.first == "," {
      rest.removeFirst()
    } else if rest.first != bracket {
      throw HostsError("a ',' or '\(bracket)' is missing before '\(rest.prefix(20))'")
    }
  }

  /// A quoted or plain scalar. A plain one ends at one of `ends`; a colon counts only before a space
  /// or at the end.
  private mutating func scalar(endedBy ends: String) throws(HostsError) -> String {
    skipSpaces()
    if rest.first == "\"" || rest.first == "'" { return try quoted() }
    var end = rest.startIndex
    while end < rest.endIndex {
      let character = rest[end]
      let next = rest.index(after: end)
      if ends.contains(character),
        character != ":" || next == rest.endIndex || " ,}]".contains(rest[next])
      {
        break
      }
      if "[{\"".contains(character) {
        throw HostsError("'\(rest.prefix(20))': put a value with this character into quotes")
      }
      end = next
    }
    defer { rest = rest[end...] }
    return String(YAMLReader.trimmed(rest[..<end]))
  }

  /// The text in the quotes with which the rest begins.
  ///
  /// - Throws: `HostsError`.
  mutating func quoted() throws(HostsError) -> String {
    guard let quote = rest.popFirst() else { preconditionFailure("the caller has seen a quote") }
    var text = ""
    while let character = rest.popFirst() {
      if character == quote {
        guard quote == "'", rest.first == "'" else { return text }
        rest.removeFirst()
        text.append("'")
      } else if character == "\\", quote == "\"" {
        text.append(try escaped())
      } else {
        text.append(character)
      }
    }
    throw HostsError("a quote is not closed in its line")
  }

  private mutating func escaped() throws(HostsError) -> Character {
    switch rest.popFirst() {
    case "n": return "\n"
    case "t": return "\t"
    case "r": return "\r"
    case "0": return "\0"
    case "\\": return "\\"
    case "\"": return "\""
    case "/": return "/"
    case " ": return " "
    case "x": return try codePoint(2)
    case "u": return try codePoint(4)
    case "U": return try codePoint(8)
    case let other:
      throw HostsError("'\\\(other.map(String.init) ?? "")' in quotes is not supported")
    }
  }

  /// The character whose number has `count` hexadecimal digits.
  private mutating func codePoint(_ count: Int) throws(HostsError) -> Character {
    let digits = rest.prefix(count)
    rest = rest.dropFirst(count)
    guard digits.count == count, digits.allSatisfy(\.isHexDigit),
      let scalar = UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init)
    else { throw HostsError("'\(digits)' in quotes is not the number of a character") }
    return Character(scalar)
  }
}
