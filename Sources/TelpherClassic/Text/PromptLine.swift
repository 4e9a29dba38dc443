/// A line that was typed at a prompt.
public enum PromptLine: Sendable, Equatable {
  /// Something to send, without the blanks around it.
  case text(String)
  /// Nothing, which is not sent: a peer that gets no bytes waits, and so would this side.
  case empty
  /// `quit`.
  case quit

  /// What the prompts of all dialects show.
  public static let prompt = ">>: "

  /// A line, with or without its end.
  public init(_ line: String) {
    let blanks: Set<Character> = [" ", "\t", "\r", "\n", "\r\n"]
    var text = line[...]
    while let first = text.first, blanks.contains(first) { text.removeFirst() }
    while let last = text.last, blanks.contains(last) { text.removeLast() }
    self = text.isEmpty ? .empty : text == "quit" ? .quit : .text(String(text))
  }
}
