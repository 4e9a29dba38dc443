/// A pattern for one argument, path of a socket or name of a variable. It must match all of it.
///
///     ?       any byte but '/'
///     *       any bytes but '/'
///     **      any bytes
///     \X      the character X itself
///
/// So that a wildcard does not allow more than it seems to, it matches neither an argument with a part
/// `..`, as in `/var/log/../../etc/shadow`, nor, at the pattern's beginning, one that begins with `-`,
/// which a program would take for an option.
package struct TextPattern: Sendable, Hashable {
  private enum Token: Sendable, Hashable {
    case byte(UInt8)
    case oneByte
    case manyBytes
    case everything
  }

  private let tokens: [Token]
  /// The longest text that a pattern with wildcards matches, in bytes: the time of a match grows with
  /// it, and the client chooses it.
  package static let maxTextLength = 65_536

  /// Reads a pattern.
  ///
  /// - Returns: nil if it ends in a backslash that escapes nothing.
  package init?(_ text: String) {
    var tokens: [Token] = []
    var bytes = text.utf8[...]
    while let byte = bytes.popFirst() {
      switch byte {
      case UInt8(ascii: "?"): tokens.append(.oneByte)
      case UInt8(ascii: "*"):
        if bytes.first == UInt8(ascii: "*") {
          bytes.removeFirst()
          tokens.append(.everything)
        } else {
          tokens.append(.manyBytes)
        }
      case UInt8(ascii: "\\"):
        guard let escaped = bytes.popFirst() else { return nil }
        tokens.append(.byte(escaped))
      default: tokens.append(.byte(byte))
      }
    }
    self.tokens = tokens
  }

  /// Whether the pattern matches only one text.
  private var isLiteral: Bool {
    tokens.allSatisfy { if case .byte = $0 { true } else { false } }
  }

  /// Whether the pattern matches all of `text`.
  package func matches(_ text: [UInt8]) -> Bool {
    if isLiteral {
      return tokens.count == text.count
        && zip(tokens, text).allSatisfy { token, byte in token == .byte(byte) }
    }
    guard text.count <= Self.maxTextLength, !Self.hasParent(text) else { return false }
    if text.first == UInt8(ascii: "-"), tokens.first != .byte(UInt8(ascii: "-")) { return false }
    return matchesWildcards(text)
  }

  /// Tracks all positions in the pattern that the text may have reached, so it compares each byte
  /// with each token at most once.
  private func matchesWildcards(_ text: [UInt8]) -> Bool {
    // Whether the tokens before this number match the bytes until now.
    var reached = [Bool](repeating: false, count: tokens.count + 1)
    reached[0] = true
    skipEmpty(&reached)
    for byte in text {
      var next = [Bool](repeating: false, count: tokens.count + 1)
      var isStuck = true
      for (index, token) in tokens.enumerated() where reached[index] {
        switch token {
        case .byte(let expected): if byte == expected { next[index + 1] = true } else { continue }
        case .oneByte:
          if byte != UInt8(ascii: "/") { next[index + 1] = true } else { continue }
        case .manyBytes: if byte != UInt8(ascii: "/") { next[index] = true } else { continue }
        case .everything: next[index] = true
        }
        isStuck = false
      }
      guard !isStuck else { return false }
      reached = next
      skipEmpty(&reached)
    }
    return reached[tokens.count]
  }

  /// A star may also match nothing.
  private func skipEmpty(_ reached: inout [Bool]) {
    for (index, token) in tokens.enumerated() where reached[index] {
      if token == .manyBytes || token == .everything { reached[index + 1] = true }
    }
  }

  /// Whether a part of the text is `..`. Parts end at a slash, and at what separates a value from its
  /// name and from other values.
  private static func hasParent(_ text: [UInt8]) -> Bool {
    text.split(omittingEmptySubsequences: true) { Array("/=:,".utf8).contains($0) }
      .contains { $0.elementsEqual("..".utf8) }
  }
}

/// A pattern for a program and its arguments: a pattern for each, and whether further ones may follow.
package struct CommandPattern: Sendable, Hashable {
  private let arguments: [TextPattern]
  private let mayHaveMore: Bool

  /// The last word of a pattern that allows any further arguments.
  static let more = "..."

  /// A pattern of these words, the first for the program.
  ///
  /// - Returns: nil if there is no word for the program, or if a word is no pattern.
  package init?(_ words: [String]) {
    mayHaveMore = words.last == Self.more
    var arguments: [TextPattern] = []
    for word in mayHaveMore ? words.dropLast() : words[...] {
      guard let pattern = TextPattern(word) else { return nil }
      arguments.append(pattern)
    }
    guard !arguments.isEmpty else { return nil }
    self.arguments = arguments
  }

  /// Whether the pattern matches the program and all its arguments.
  package func matches(_ argv: [[UInt8]]) -> Bool {
    guard argv.count == arguments.count || (mayHaveMore && argv.count > arguments.count) else {
      return false
    }
    return zip(arguments, argv).allSatisfy { $0.matches($1) }
  }
}
