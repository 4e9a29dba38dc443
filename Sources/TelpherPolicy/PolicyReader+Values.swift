internal import TelpherText
internal import TelpherYAML

// The forms of values. Each function throws if the value has another form.
extension PolicyReader {
  /// The entries of a mapping, each key at most once.
  static func entries(_ node: YAMLNode, _ what: String) throws(PolicyFault) -> [YAMLEntry] {
    guard case .mapping(let entries) = node.value else {
      throw PolicyFault(node.line, "\(what) must have keys and values, not \(form(of: node))")
    }
    var lines: [ExactText: Int] = [:]
    for entry in entries {
      if let line = lines[ExactText(entry.key)] {
        throw PolicyFault(entry.line, "the key '\(entry.key)' is on line \(line) already")
      }
      lines[ExactText(entry.key)] = entry.line
    }
    return entries
  }

  /// The entries of a mapping that has only these keys.
  static func entries(
    _ node: YAMLNode, _ what: String, _ keys: [String]
  ) throws(PolicyFault) -> [YAMLEntry] {
    let entries = try entries(node, what)
    if let entry = entries.first(where: { !keys.contains($0.key) }) {
      throw PolicyFault(
        entry.line,
        "\(what) has no key '\(entry.key)', only \(keys.joined(separator: ", "))")
    }
    return entries
  }

  /// The items of a list.
  static func items(_ node: YAMLNode, _ what: String) throws(PolicyFault) -> [YAMLNode] {
    guard case .list(let items) = node.value else {
      throw PolicyFault(node.line, "\(what) must be a list, not \(form(of: node))")
    }
    return items
  }

  /// A text.
  static func text(_ node: YAMLNode, _ what: String) throws(PolicyFault) -> String {
    guard case .scalar(let text) = node.value else {
      throw PolicyFault(node.line, "\(what) must be a text, not \(form(of: node))")
    }
    return text
  }

  /// A list of texts, or a text alone.
  static func texts(
    _ node: YAMLNode, _ what: String
  ) throws(PolicyFault) -> [(line: Int, text: String)] {
    if case .scalar(let text) = node.value { return [(node.line, text)] }
    return try items(node, what).map { item throws(PolicyFault) in
      (item.line, try text(item, "an item of \(what)"))
    }
  }

  /// `true` or `false`.
  static func truth(_ node: YAMLNode, _ what: String) throws(PolicyFault) -> Bool {
    switch try text(node, what) {
    case "true": return true
    case "false": return false
    case let other: throw PolicyFault(node.line, "\(what) is true or false, not '\(other)'")
    }
  }

  /// A list of folders.
  static func folders(_ node: YAMLNode, _ what: String) throws(PolicyFault) -> [PolicyPath] {
    try texts(node, what).map { (line, text) throws(PolicyFault) in
      guard let path = PolicyPath(text), !text.utf8.contains(0) else {
        throw PolicyFault(
          line, "'\(text)' is not a folder path: write an absolute path, ~ or ~/PATH, without '..'")
      }
      return path
    }
  }

  static func noPattern(_ line: Int, _ text: String) -> PolicyFault {
    PolicyFault(line, "'\(text)' ends in a single backslash: write two for one")
  }

  private static func form(of node: YAMLNode) -> String {
    switch node.value {
    case .null: "nothing"
    case .scalar(let text): "the text '\(text)'"
    case .list: "a list"
    case .mapping: "keys and values"
    }
  }
}

extension [YAMLEntry] {
  /// The entry with this key.
  subscript(key: String) -> YAMLEntry? { first { $0.key == key } }
}
