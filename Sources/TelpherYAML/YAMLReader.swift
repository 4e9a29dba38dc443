/// Reads the part of YAML 1.2 in which inventories and policies are written: mappings and lists by
/// indentation or in brackets, plain and quoted scalars in one line, block scalars, comments and tags
/// (which are ignored). Anchors, aliases, merge keys, directives and scalars over several lines are errors: a
/// text is read as YAML means it, or not at all.
package struct YAMLReader {
  private var lines: [Substring]
  private var position = 0

  /// The most values within each other: each takes space on the stack.
  private static let maxDepth = 256

  private let refusesBlockScalars: Bool
  /// The number of the first line with a character that can't be in a text, from 1; nil if there is none.
  private let faultyLine: Int?

  /// Reads `text`.
  ///
  /// - Parameter refusesBlockScalars: whether a block scalar (`|` or `>`) is an error. If not, its lines
  ///   are read without their indentation, which is not what YAML says.
  package init(_ text: String, refusesBlockScalars: Bool = false) {
    self.refusesBlockScalars = refusesBlockScalars
    lines = text.split(omittingEmptySubsequences: false) {
      $0 == "\n" || $0 == "\r\n" || $0 == "\r"
    }
    faultyLine = lines.firstIndex { $0.unicodeScalars.contains(where: Self.isForbidden) }.map {
      $0 + 1
    }
  }

  /// Whether a character can't be in a text: a control character, and what YAML 1.1 and editors take for the
  /// end of a line although it is none. What follows it on the line would look like another line.
  private static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09: false
    case 0x00...0x1F, 0x7F...0x9F, 0x2028, 0x2029: true
    default: false
    }
  }

  /// A line with content.
  private struct Line {
    let indent: Int
    let text: Substring
  }

  /// The only document of the text; null if it is empty.
  ///
  /// - Throws: `YAMLError`.
  package mutating func document() throws(YAMLError) -> YAMLNode {
    if let faultyLine {
      throw YAMLError(
        line: faultyLine, message: "there is a control character or a separator of lines")
    }
    do throws(YAMLFault) {
      if try peek() == nil, position < lines.count, lines[position].hasPrefix("---") {
        position += 1
      }
      let first = try peek()
      let node = try first.map { line throws(YAMLFault) in try block(line.indent, 0) } ?? null
      if try peek() != nil { throw YAMLFault("this line does not fit the lines above it") }
      if position < lines.count, lines[position].hasPrefix("---") {
        throw YAMLFault("there is a second document")
      }
      if position < lines.count {
        // The document ends with '...': what follows would be ignored without a message.
        position += 1
        guard try peek() == nil, position == lines.count else {
          throw YAMLFault("only comments may follow the end of the document ('...')")
        }
      }
      return node
    } catch {
      throw YAMLError(line: min(position + 1, lines.count), message: error.message)
    }
  }

  /// Whether a line begins or ends a document.
  private static func isMarker(_ line: Substring) -> Bool {
    let text = withoutComment(line)
    return text == "---" || text == "..."
  }

  /// The next line with content; nil at the end of the document.
  private mutating func peek() throws(YAMLFault) -> Line? {
    while position < lines.count {
      let line = lines[position]
      let text = line.drop { $0 == " " }
      if text.isEmpty || text.first == "#" || text.allSatisfy(\.isYAMLSpace) {
        position += 1
        continue
      }
      if text.first == "\t" { throw YAMLFault("a tab can't indent a line") }
      if Self.isMarker(line) { return nil }
      let indent = line.count - text.count
      if indent == 0, text.first == "%" { throw YAMLFault("directives are not supported") }
      return Line(indent: indent, text: Self.trimmed(text))
    }
    return nil
  }

  /// Nothing, at the next line.
  private var null: YAMLNode {
    YAMLNode(line: max(1, min(position + 1, lines.count)), value: .null)
  }

  /// The value whose first line is next and begins at `indent`.
  private mutating func block(_ indent: Int, _ depth: Int) throws(YAMLFault) -> YAMLNode {
    guard depth < Self.maxDepth else {
      throw YAMLFault("more than \(Self.maxDepth) values are within each other")
    }
    guard let line = try peek() else { return null }
    if Self.isItem(line.text) { return try list(indent, depth) }
    if try Self.key(line.text) != nil { return try mapping(indent, depth) }
    position += 1
    return try inline(line.text, indent - 1)
  }

  private static func isItem(_ text: Substring) -> Bool { text == "-" || text.hasPrefix("- ") }

  private mutating func list(_ indent: Int, _ depth: Int) throws(YAMLFault) -> YAMLNode {
    let first = position + 1
    var items: [YAMLNode] = []
    while let line = try peek(), line.indent == indent, Self.isItem(line.text) {
      let rest = line.text.dropFirst().drop { $0 == " " }
      if rest.isEmpty || rest.first == "#" {
        position += 1
        items.append(try nested(below: indent, depth) ?? YAMLNode(line: position, value: .null))
      } else {
        // The item is a block of its own, which begins after the dash.
        let start = indent + line.text.count - rest.count
        lines[position] = String(repeating: " ", count: start) + rest
        items.append(try block(start, depth + 1))
      }
    }
    return YAMLNode(line: first, value: .list(items))
  }

  private mutating func mapping(_ indent: Int, _ depth: Int) throws(YAMLFault) -> YAMLNode {
    let first = position + 1
    var entries: [YAMLEntry] = []
    while let line = try peek(), line.indent >= indent {
      guard line.indent == indent else { throw YAMLFault("the line is indented too far") }
      guard !Self.isItem(line.text), let (key, rest) = try Self.key(line.text) else {
        throw YAMLFault("'\(line.text)' is not of the form KEY: VALUE")
      }
      if key == "<<" { throw YAMLFault("merge keys are not supported") }
      position += 1
      let line = position
      entries.append(YAMLEntry(line: line, key: key, node: try value(rest, indent, depth)))
    }
    return YAMLNode(line: first, value: .mapping(entries))
  }

  /// The value of a key, whose line has `rest` after the colon.
  private mutating func value(
    _ rest: Substring, _ indent: Int, _ depth: Int
  ) throws(YAMLFault) -> YAMLNode {
    var rest = rest
    let line = position
    if rest.first == "!" { rest = rest.drop { $0 != " " }.drop { $0 == " " } }
    if rest.first == "|" || rest.first == ">" {
      guard !refusesBlockScalars else {
        position -= 1
        throw YAMLFault("a text over several lines ('|' or '>') can't be used here")
      }
      return YAMLNode(line: line, value: .scalar(blockScalar(below: indent)))
    }
    guard rest.isEmpty || rest.first == "#" else { return try inline(rest, indent) }
    if let value = try nested(below: indent, depth) { return value }
    // A list may begin where its key does.
    guard let next = try peek(), next.indent == indent, Self.isItem(next.text) else {
      return YAMLNode(line: line, value: .null)
    }
    return try list(indent, depth + 1)
  }

  /// The block that is indented further than `indent`, if one follows.
  private mutating func nested(below indent: Int, _ depth: Int) throws(YAMLFault) -> YAMLNode? {
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
  ) throws(YAMLFault) -> YAMLNode {
    let line = position
    switch text.first {
    case "&", "*":
      position -= 1
      throw YAMLFault("anchors and aliases are not supported")
    case "{", "[":
      var flow = YAMLFlow(text, line: line)
      while !flow.isComplete {
        guard position < lines.count, !Self.isMarker(lines[position]) else {
          throw YAMLFault("a bracket is not closed")
        }
        flow.append(lines[position])
        position += 1
      }
      do throws(YAMLFault) { return try flow.value() } catch {
        position = flow.line - 1
        throw error
      }
    case "\"", "'":
      var flow = YAMLFlow(text, line: line)
      do throws(YAMLFault) {
        let value = try flow.quoted()
        try flow.end()
        return YAMLNode(line: line, value: .scalar(value))
      } catch {
        position = line - 1
        throw error
      }
    default:
      if let next = try peek(), next.indent > indent {
        throw YAMLFault("a plain value over several lines is not supported")
      }
      return YAMLNode(line: line, value: .plain(String(Self.withoutComment(text))))
    }
  }

  /// The key with which a line begins, and what follows its colon; nil if it has none.
  private static func key(_ text: Substring) throws(YAMLFault) -> (String, Substring)? {
    if text.first == "\"" || text.first == "'" {
      var flow = YAMLFlow(text, line: 0)
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
          throw YAMLFault("'\(key)': anchors, aliases and '?' are not supported")
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
    while end < text.endIndex, !(text[end] == "#" && before.isYAMLSpace) {
      before = text[end]
      end = text.index(after: end)
    }
    return trimmed(text[..<end])
  }

  static func trimmed(_ text: Substring) -> Substring {
    var text = text.drop(while: \.isYAMLSpace)
    while text.last?.isYAMLSpace == true { text.removeLast() }
    return text
  }
}

extension Character {
  /// Whether it separates words: a space, a tab, or the end of a line.
  var isYAMLSpace: Bool { self == " " || self == "\t" || self == "\n" }
}
