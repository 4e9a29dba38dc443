/// Reads the part of YAML 1.2 in which inventories are written: mappings and lists by indentation or
/// in brackets, plain and quoted scalars in one line, block scalars, comments and tags (which are
/// ignored). Anchors, aliases, merge keys, directives and scalars over several lines are errors: a
/// text is read as YAML means it, or not at all.
struct YAMLReader {
  private var lines: [Substring]
  private var position = 0

  /// The most values within each other, for the stack's sake.
  private static let maxDepth = 256

  /// Reads `text`.
  init(_ text: String) {
    lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
  }

  /// A line with content.
  private struct Line {
    let indent: Int
    let text: Substring
  }

  /// The only document of the text; null if it is empty.
  ///
  /// - Throws: `HostsError` with the number of the line.
  mutating func document() throws(HostsError) -> YAMLValue {
    do throws(HostsError) {
      if try peek() == nil, position < lines.count, Self.isMarker(lines[position]) { position += 1 }
      let first = try peek()
      let value = try first.map { line throws(HostsError) in try block(line.indent, 0) } ?? .null
      if try peek() != nil { throw HostsError("this line does not fit the lines above it") }
      if position < lines.count, lines[position].hasPrefix("---") {
        throw HostsError("there is a second document")
      }
      return value
    } catch {
      throw HostsError("line \(min(position + 1, lines.count)): \(error)")
    }
  }

  /// Whether a line begins or ends a document.
  private static func isMarker(_ line: Substring) -> Bool {
    let text = withoutComment(line)
    return text == "---" || text == "..."
  }

  /// The next line with content; nil at the end of the document.
  private mutating func peek() throws(HostsError) -> Line? {
    while position < lines.count {
      let line = lines[position]
      let text = line.drop { $0 == " " }
      if text.isEmpty || text.first == "#" || text.allSatisfy(\.isWhitespace) {
        position += 1
        continue
      }
      if text.first == "\t" { throw HostsError("a tab can't indent a line") }
      if Self.isMarker(line) { return nil }
      let indent = line.count - text.count
      if indent == 0, text.first == "%" { throw HostsError("directives are not supported") }
      return Line(indent: indent, text: Self.trimmed(text))
    }
    return nil
  }

  /// The value whose first line is next and begins at `indent`.
  private mutating func block(_ indent: Int, _ depth: Int) throws(HostsError) -> YAMLValue {
    guard depth < Self.maxDepth else {
      throw HostsError("more than \(Self.maxDepth) values are within each other")
    }
    guard let line = try peek() else { return .null }
    if Self.isItem(line.text) { return try list(indent, depth) }
    if try Self.key(line.text) != nil { return try mapping(indent, depth) }
    position += 1
    return try inline(line.text, indent - 1)
  }

  private static func isItem(_ text: Substring) -> Bool { text == "-" || text.hasPrefix("- ") }

  private mutating func list(_ indent: Int, _ depth: Int) throws(HostsError) -> YAMLValue {
    var items: [YAMLValue] = []
    while let line = try peek(), line.indent == indent, Self.isItem(line.text) {
      let rest = line.text.dropFirst().drop { $0 == " " }
      if rest.isEmpty || rest.first == "#" {
        position += 1
        items.append(try nested(below: indent, depth) ?? .null)
      } else {
        // The item is a block of its own, which begins after the dash.
        let start = indent + line.text.count - rest.count
        lines[position] = String(repeating: " ", count: start) + rest
        items.append(try block(start, depth + 1))
      }
    }
    return .list(items)
  }

  private mutating func mapping(_ indent: Int, _ depth: Int) throws(HostsError) -> YAMLValue {
    var entries: [(String, YAMLValue)] = []
    while let line = try peek(), line.indent >= indent {
      guard line.indent == indent else { throw HostsError("the line is indented too far") }
      guard !Self.isItem(line.text), let (key, rest) = try Self.key(line.text) else {
        throw HostsError("'\(line.text)' is not of the form KEY: VALUE")
      }
      if key == "<<" { throw HostsError("merge keys are not supported") }
      position += 1
      entries.append((key, try value(rest, indent, depth)))
    }
    return .mapping(entries)
  }

  /// The value of a key, whose line has `rest` after the colon.
  private mutating func value(
    _ rest: Substring, _ indent: Int, _ depth: Int
  ) throws(HostsError) -> YAMLValue {
    var rest = rest
    if rest.first == "!" { rest = rest.drop { $0 != " " }.drop { $0 == " " } }
    if rest.first == "|" || rest.first == ">" { return .scalar(blockScalar(below: indent)) }
    guard rest.isEmpty || rest.first == "#" else { return try inline(rest, indent) }
    if let value = try nested(below: indent, depth) { return value }
    // A list may begin where its key does.
    guard let line = try peek(), line.indent == indent, Self.isItem(line.text) else { return .null }
    return try list(indent, depth + 1)
  }

  /// The block that is indented further than `indent`, if one follows.
  private mutating func nested(below indent: Int, _ depth: Int) throws(HostsError) -> YAMLValue? {
    guard let line = try peek(), line.indent > indent else { return nil }
    return try block(line.indent, depth + 1)
  }

  /// The lines of a block scalar as they are. Their exact form does not matter here.
  private mutating func blockScalar(below indent: Int) -> String {
    var text: [Substring] = []
    while position < lines.count {
      let line = lines[position]
      let content = line.drop { $0 == " " }
      guard content.isEmpty || line.count - content.count > indent else { break }
      text.append(content)
      position += 1
    }
    return text.joined(separator: "\n")
  }

  /// A value within one line, or in brackets over several. The position is after its first line.
  private mutating func inline(
    _ text: Substring, _ indent: Int
  ) throws(HostsError) -> YAMLValue {
    switch text.first {
    case "&", "*": throw HostsError("anchors and aliases are not supported")
    case "{", "[":
      var flow = YAMLFlow(text)
      while !flow.isComplete {
        guard position < lines.count else { throw HostsError("a bracket is not closed") }
        flow.append(lines[position])
        position += 1
      }
      return try flow.value()
    case "\"", "'":
      var flow = YAMLFlow(text)
      let value = try flow.quoted()
      try flow.end()
      return .scalar(value)
    default:
      if let line = try peek(), line.indent > indent {
        throw HostsError("a plain value over several lines is not supported")
      }
      return .plain(String(Self.withoutComment(text)))
    }
  }

  /// The key with which a line begins, and what follows its colon; nil if it has none.
  private static func key(_ text: Substring) throws(HostsError) -> (String, Substring)? {
    if text.first == "\"" || text.first == "'" {
      var flow = YAMLFlow(text)
      let key = try flow.quoted()
      let rest = flow.rest.drop { $0 == " " }
      guard rest.first == ":" else { return nil }
      return (key, trimmed(rest.dropFirst()))
    }
    guard let first = text.first, !"{[|>#".contains(first) else { return nil }
    let content = withoutComment(text)
    var index = content.startIndex
    while let colon = content[index...].firstIndex(of: ":") {
      let next = content.index(after: colon)
      if next == content.endIndex || content[next] == " " {
        let key = String(trimmed(content[..<colon]))
        if "&*?".contains(first) {
          throw HostsError("'\(key)': anchors, aliases and '?' are not supported")
        }
        return (key, trimmed(text[next...]))
      }
      index = next
    }
    return nil
  }

  /// A plain text up to a comment, which begins with a space and `#`.
  static func withoutComment(_ text: Substring) -> Substring {
    var end = text.startIndex
    var before: Character = "x"
    while end < text.endIndex, !(text[end] == "#" && before.isWhitespace) {
      before = text[end]
      end = text.index(after: end)
    }
    return trimmed(text[..<end])
  }

  static func trimmed(_ text: Substring) -> Substring {
    var text = text.drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}
