/// Reads values in brackets and quoted scalars.
struct YAMLFlow {
  /// What was not read yet.
  private(set) var rest: Substring

  /// The most brackets within each other: each takes space on the stack.
  private static let maxDepth = 64

  /// The number of the line of what was not read yet.
  private(set) var line: Int

  /// - Parameter line: the number of the line that `text` is on.
  init(_ text: Substring, line: Int) { (rest, self.line) = (text, line) }

  /// Adds the next line of the text.
  mutating func append(_ line: Substring) {
    rest = Substring(rest + "\n" + YAMLReader.trimmed(line))
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
        case "\"", "'": if before.isYAMLSpace || "{[,:".contains(before) { quote = character }
        case "{", "[": depth += 1
        case "}", "]": depth -= 1
        case "#" where before.isYAMLSpace: return depth == 0
        default: break
        }
      }
      before = before == "\\" && character == "\\" ? " " : character
    }
    return depth <= 0 && quote == nil
  }

  /// The value of all the text.
  ///
  /// - Throws: `YAMLFault`.
  mutating func value() throws(YAMLFault) -> YAMLNode {
    let value = try value(0)
    try end()
    return value
  }

  /// Checks that only a comment is left.
  ///
  /// - Throws: `YAMLFault`.
  mutating func end() throws(YAMLFault) {
    skipSpaces()
    guard rest.isEmpty || rest.first == "#" else {
      throw YAMLFault("'\(rest)' follows a value that has ended")
    }
  }

  private mutating func skipSpaces() {
    while let character = rest.first, character.isYAMLSpace { _ = next() }
  }

  /// Takes the next character. The end of a line within a scalar is read as a space.
  private mutating func next() -> Character? {
    guard let character = rest.popFirst() else { return nil }
    guard character == "\n" else { return character }
    line += 1
    return " "
  }

  private mutating func value(_ depth: Int) throws(YAMLFault) -> YAMLNode {
    guard depth < Self.maxDepth else {
      throw YAMLFault("more than \(Self.maxDepth) brackets are within each other")
    }
    skipSpaces()
    let line = line
    switch rest.first {
    case "{":
      rest.removeFirst()
      var entries: [YAMLEntry] = []
      while try !isClosed(by: "}") {
        let keyLine = self.line
        let key = try scalar(endedBy: ",}:")
        skipSpaces()
        var value = YAMLNode(line: keyLine, value: .null)
        if rest.first == ":" {
          rest.removeFirst()
          value = try self.value(depth + 1)
        }
        entries.append(YAMLEntry(line: keyLine, key: key, node: value))
        try separate(before: "}")
      }
      return YAMLNode(line: line, value: .mapping(entries))
    case "[":
      rest.removeFirst()
      var items: [YAMLNode] = []
      while try !isClosed(by: "]") {
        items.append(try value(depth + 1))
        try separate(before: "]")
      }
      return YAMLNode(line: line, value: .list(items))
    case "\"", "'": return YAMLNode(line: line, value: .scalar(try quoted()))
    case "&", "*": throw YAMLFault("anchors and aliases are not supported")
    default: return YAMLNode(line: line, value: .plain(try scalar(endedBy: ",}]")))
    }
  }

  private mutating func isClosed(by bracket: Character) throws(YAMLFault) -> Bool {
    skipSpaces()
    guard rest.first == bracket else {
      if rest.isEmpty { throw YAMLFault("a bracket is not closed") }
      return false
    }
    rest.removeFirst()
    return true
  }

  private mutating func separate(before bracket: Character) throws(YAMLFault) {
    skipSpaces()
    if rest.first == "," {
      rest.removeFirst()
    } else if rest.first != bracket {
      throw YAMLFault("a ',' or '\(bracket)' is missing before '\(rest.prefix(20))'")
    }
  }

  /// A quoted or plain scalar. A plain one ends at one of `ends`; a colon counts only before a space
  /// or at the end.
  private mutating func scalar(endedBy ends: String) throws(YAMLFault) -> String {
    skipSpaces()
    if rest.first == "\"" || rest.first == "'" { return try quoted() }
    var end = rest.startIndex
    while end < rest.endIndex {
      let character = rest[end]
      let next = rest.index(after: end)
      if ends.contains(character),
        character != ":" || next == rest.endIndex || " \n,}]".contains(rest[next])
      {
        break
      }
      if "[{\"".contains(character) {
        throw YAMLFault("'\(rest.prefix(20))': put a value with this character into quotes")
      }
      end = next
    }
    var text = ""
    while rest.startIndex < end, let character = next() { text.append(character) }
    return String(YAMLReader.trimmed(text[...]))
  }

  /// The text in the quotes with which the rest begins.
  ///
  /// - Throws: `YAMLFault`.
  mutating func quoted() throws(YAMLFault) -> String {
    guard let quote = rest.popFirst() else { preconditionFailure("the caller has seen a quote") }
    var text = ""
    while let character = next() {
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
    throw YAMLFault("a quote is not closed in its line")
  }

  private mutating func escaped() throws(YAMLFault) -> Character {
    switch next() {
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
      throw YAMLFault("'\\\(other.map(String.init) ?? "")' in quotes is not supported")
    }
  }

  /// The character whose number has `count` hexadecimal digits.
  private mutating func codePoint(_ count: Int) throws(YAMLFault) -> Character {
    let digits = rest.prefix(count)
    rest = rest.dropFirst(count)
    guard digits.count == count, digits.allSatisfy(\.isHexDigit),
      let scalar = UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init)
    else { throw YAMLFault("'\(digits)' in quotes is not the number of a character") }
    return Character(scalar)
  }
}
