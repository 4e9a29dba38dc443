/// Patterns for names as in OpenSSH (ssh_config(5), PATTERNS): `*` stands for any characters, `?` for
/// one. Upper and lower case are the same.
struct NamePattern: Sendable, Equatable {
  private let pattern: [UInt8]

  /// A pattern for ASCII names.
  init(_ text: some StringProtocol) { pattern = Self.lowercased(text) }

  /// Whether it stands for more than one name.
  var hasWildcards: Bool {
    pattern.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }
  }

  /// Whether `name` matches. It takes at most the product of both lengths.
  func matches(_ name: some StringProtocol) -> Bool {
    let name = Self.lowercased(name)
    var (position, place) = (0, 0)
    // Where to continue if the characters after the last `*` do not match here: it takes one more.
    var retry: (position: Int, place: Int)?
    while position < name.count {
      if place < pattern.count, pattern[place] == UInt8(ascii: "*") {
        place += 1
        retry = (position, place)
      } else if place < pattern.count,
        pattern[place] == name[position] || pattern[place] == UInt8(ascii: "?")
      {
        position += 1
        place += 1
      } else if let last = retry {
        retry = (last.position + 1, last.place)
        (position, place) = (last.position + 1, last.place)
      } else {
        return false
      }
    }
    return pattern[place...].allSatisfy { $0 == UInt8(ascii: "*") }
  }

  static func lowercased(_ text: some StringProtocol) -> [UInt8] {
    text.utf8.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 + 32 : $0 }
  }
}

/// A list of patterns, some of which may exclude names with `!`.
struct NamePatternList: Sendable, Equatable {
  private let elements: [Element]

  private struct Element: Sendable, Equatable {
    let pattern: NamePattern
    let excludes: Bool
  }

  /// The patterns in `text`, which commas separate.
  init(_ text: some StringProtocol) {
    elements = text.split(separator: ",").map { part in
      let excludes = part.hasPrefix("!")
      return Element(
        pattern: NamePattern(excludes ? part.dropFirst() : part[...]), excludes: excludes)
    }
  }

  /// Whether a pattern matches `name` and none excludes it.
  func matches(_ name: String) -> Bool {
    var isMatched = false
    for element in elements where element.pattern.matches(name) {
      if element.excludes { return false }
      isMatched = true
    }
    return isMatched
  }
}
