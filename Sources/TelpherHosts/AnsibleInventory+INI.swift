private import TelpherText

// The form with sections:
//
//     web1 ansible_host=10.0.0.1          hosts of no group
//     [web]
//     web[01:40]:2222 ansible_user=deploy
//     [prod:children]
//     web
//     [web:vars]
//     ansible_port = 22
extension AnsibleInventory {
  private enum Section {
    case hosts(ExactText)
    case children(ExactText)
    case variables(ExactText)
  }

  /// Reads an inventory with sections.
  ///
  /// - Throws: `HostsError` with the number of the line.
  mutating func readINI(_ text: String) throws(HostsError) {
    var section = Section.hosts(Self.all)
    var number = 0
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      number += 1
      do throws(HostsError) {
        try read(Self.trimmed(line), &section)
      } catch {
        throw HostsError("line \(number): \(error)")
      }
    }
  }

  private mutating func read(_ line: Substring, _ section: inout Section) throws(HostsError) {
    guard let first = line.first, first != "#", first != ";" else { return }
    // A host may begin with a range, which has a colon and no letter of a section's kind after it.
    if first == "[", let header = Self.header(line) {
      section = try Self.section(header)
      switch section {
      case .hosts(let group), .children(let group), .variables(let group): add(group: group)
      }
      return
    }
    switch section {
    case .hosts(let group):
      var words = try Self.words(line)[...]
      guard let pattern = words.popFirst() else { return }
      let (name, port) = AnsiblePattern.separatePort(pattern)
      var variables = HostAddress()
      if let port { try variables.set("ansible_port", to: port) }
      for word in words {
        guard let equals = word.firstIndex(of: "=") else {
          throw HostsError("'\(word)' is not of the form NAME=VALUE")
        }
        try variables.set(String(word[..<equals]), to: String(word[word.index(after: equals)...]))
      }
      try add(hosts: name, to: group, variables)
    case .children(let group):
      guard let child = try Self.words(line).first else { return }
      add(child: ExactText(child), of: group)
    case .variables(let group):
      guard let equals = line.firstIndex(of: "=") else {
        throw HostsError("'\(line)' is not of the form NAME=VALUE")
      }
      var variables = HostAddress()
      let value = try Self.words(line[line.index(after: equals)...]).first ?? ""
      let name = String(Self.trimmed(line[..<equals]))
      try variables.set(name, to: value)
      set(variables, of: group)
    }
  }

  /// The text in the brackets of a section's line, which may end with a comment.
  private static func header(_ line: Substring) -> Substring? {
    guard let end = line.firstIndex(of: "]") else { return nil }
    let rest = trimmed(line[line.index(after: end)...])
    guard rest.isEmpty || rest.hasPrefix("#") else { return nil }
    return line[line.index(after: line.startIndex)..<end]
  }

  private static func section(_ header: Substring) throws(HostsError) -> Section {
    let parts = header.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let name = ExactText(String(trimmed(parts[0])))
    guard !name.text.isEmpty else { throw HostsError("a section has no name") }
    switch parts.count == 2 ? parts[1] : "" {
    case "": return .hosts(name)
    case "children": return .children(name)
    case "vars": return .variables(name)
    default:
      throw HostsError("'[\(header)]' is not [GROUP], [GROUP:children] or [GROUP:vars]")
    }
  }

  /// The words of a line up to a comment. Quotes join words as in a shell.
  private static func words(_ line: Substring) throws(HostsError) -> [String] {
    var words: [String] = []
    var word: String?
    var quote: Character?
    var rest = line
    while let character = rest.popFirst() {
      if let open = quote {
        if character == open {
          quote = nil
        } else if character == "\\", open == "\"", let next = rest.popFirst() {
          word?.append(next)
        } else {
          word?.append(character)
        }
      } else if character == "\"" || character == "'" {
        quote = character
        word = word ?? ""
      } else if character.isWhitespace {
        if let word { words.append(word) }
        word = nil
      } else if character == "#", word == nil {
        break
      } else {
        word = (word ?? "") + String(character)
      }
    }
    guard quote == nil else { throw HostsError("a quote is not closed") }
    return words + (word.map { [$0] } ?? [])
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text.drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}
