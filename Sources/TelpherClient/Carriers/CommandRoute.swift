/// Any command that starts a server and connects it through its own standard input and output.
struct CommandRoute: CarrierRoute {
  /// The program and its arguments.
  let command: [String]

  /// Reads a command line: words with spaces between them, and the quotes of a shell. Nothing else
  /// has a meaning; no shell reads it. Nil if there is no word.
  ///
  /// - Throws: `ClientError` (`badAddress`) if a quote is not closed.
  init?(parsing text: Substring) throws(ClientError) {
    guard let words = CommandWords.split(text) else {
      throw ClientError(.badAddress, "'exec:\(text)' has a quote that is not closed")
    }
    guard let first = words.first, !first.isEmpty else { return nil }
    command = words
  }

  var program: String { command[0] }

  var description: String { "exec:\(CommandWords.joined(command))" }

  func arguments(running command: [String], connectTimeout: Duration) -> [String] { self.command }

  func meaning(of status: Int32) -> CarrierFailure { .unknown }

  var words: CarrierWords {
    let line = CommandWords.joined(command)
    return CarrierWords(
      place: "'\(line)'", location: "at the other end of '\(line)'", journey: "'\(line)'",
      task: "start telpher", check: line, version: line, copy: line)
  }
}
