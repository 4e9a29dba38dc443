/// A line that a user typed at a prompt.
package enum PromptLine: Sendable, Equatable {
  /// A text to send, without the blanks around it.
  case text(String)
  /// An empty line. It is not sent: a server that receives no bytes never answers.
  case empty
  /// The word `quit`.
  case quit

  /// The prompt of all dialects.
  package static let prompt = ">>: "

  /// Parses a line, with or without its end.
  package init(_ line: String) {
    let blanks: Set<Character> = [" ", "\t", "\r", "\n", "\r\n"]
    var text = line[...]
    while let first = text.first, blanks.contains(first) { text.removeFirst() }
    while let last = text.last, blanks.contains(last) { text.removeLast() }
    self = text.isEmpty ? .empty : text == "quit" ? .quit : .text(String(text))
  }
}
