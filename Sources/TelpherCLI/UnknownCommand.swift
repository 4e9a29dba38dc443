internal import ArgumentParser

/// A word on the command line that should be a command, but is none.
struct UnknownCommand {
  private let word: String
  private let names: [String]
  /// The command that should have it as a subcommand: `telpher`, `telpher classic`.
  private let parent: String

  /// - Returns: nil if all commands in `arguments` exist.
  init?(in arguments: [String], of root: any ParsableCommand.Type) {
    var type = root
    var parent = root.configuration.commandName ?? ""
    for word in arguments {
      let commands = type.configuration.subcommands
      guard !commands.isEmpty, !word.hasPrefix("-") else { return nil }
      guard let next = commands.first(where: { $0.configuration.commandName == word }) else {
        self.word = word
        self.parent = parent
        names = commands.compactMap { $0.configuration.commandName }
        return
      }
      parent += " \(word)"
      type = next
    }
    return nil
  }

  /// The message for the user.
  var message: String {
    let shown = ArgumentText.shown(word)
    let near = Suggestion.nearest(to: word, among: names)
    let advice =
      near.map { "did you mean '\($0)'?" } ?? "the commands are \(names.joined(separator: ", "))"
    return "there is no command '\(shown)': \(advice) (see '\(parent) --help')"
  }
}
