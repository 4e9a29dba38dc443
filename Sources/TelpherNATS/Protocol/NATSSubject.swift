internal import TelpherText

/// A subject: tokens between dots, such as `tj.job.g.web.7f`. In a subscription `*` stands for one
/// token and `>` at the end for one or more.
package struct NATSSubject: Sendable, Hashable, CustomStringConvertible,
  ExpressibleByStringLiteral
{
  /// The subject.
  package let text: String

  /// A subject from outside.
  ///
  /// - Throws: `NATSError` (`badAddress`) if it has an empty token, white space, control characters or
  ///   more than `NATSLimits.subject` bytes, or `>` not at its end.
  package init(_ text: String) throws(NATSError) {
    guard Self.isValid(text) else {
      throw NATSError(.badAddress, "'\(ShownText.escaped(text))' is no subject of NATS")
    }
    self.text = text
  }

  /// A subject that this program writes itself.
  package init(stringLiteral text: String) {
    precondition(Self.isValid(text), "a program writes valid subjects, not '\(text)'")
    self.text = text
  }

  package var description: String { text }

  /// Whether it stands for several subjects.
  package var hasWildcards: Bool {
    text.split(separator: ".").contains { $0 == "*" || $0 == ">" }
  }

  /// Whether `name` is one token without wildcards: what may be put into a subject.
  package static func isToken(_ name: String) -> Bool {
    isValid(name) && !name.utf8.contains { $0 == UInt8(ascii: ".") } && name != "*" && name != ">"
  }

  private static func isValid(_ text: String) -> Bool {
    guard !text.isEmpty, text.utf8.count <= NATSLimits.subject else { return false }
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { return false }
    let tokens = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard !tokens.contains(where: \.isEmpty) else { return false }
    return !tokens.dropLast().contains { $0.elementsEqual(">".utf8) }
  }
}
