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
        names = commands.map { $0.configuration }.filter(\.shouldDisplay).compactMap(\.commandName)
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

/// The message for a first word after the options of `run` or `shell` that looks like an option. The
/// parser takes it for the first word of the command, so it suggests nothing itself.
///
/// - Parameter role: what the word may be instead, such as "it is the command to run".
func unknownOption(
  _ word: String, of command: any ParsableCommand.Type, unless role: String
) -> ValidationError {
  let help = command.helpMessage(columns: 1_000)
  let names = help.split { !($0.isLetter || $0 == "-") }.filter { $0.hasPrefix("--") }
  let name = word.prefix { $0 != "=" }
  let near = Suggestion.nearest(to: String(name), among: names.map(String.init))
  let advice = near.map { ". Did you mean '\($0)'? If" } ?? "; if"
  return ValidationError("Unknown option '\(word)'\(advice) \(role), write '-- \(word)'")
}

/// Finds the word that the user may have meant to type.
enum Suggestion {
  /// The greatest distance at which a word is suggested.
  private static let maxDistance = 2

  /// The name that is most similar to `word`; nil if none is similar enough.
  static func nearest(to word: String, among names: [String]) -> String? {
    // In a short word, at most half of the letters may be wrong.
    let limit = min(maxDistance, word.count / 2)
    return names.map { (distance(word, $0), $0) }.filter { $0.0 <= limit }.min { $0.0 < $1.0 }?.1
  }

  /// The number of letters to insert, remove or replace, or of neighbours to exchange, to turn `a`
  /// into `b` (optimal string alignment).
  static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a), Array(b))
    // Row i has the distances of the first i letters of `a` from all beginnings of `b`.
    var rows = [Array(0...b.count)]
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var best = min(rows[i][j] + (a[i] == b[j] ? 0 : 1), row[j] + 1, rows[i][j + 1] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          best = min(best, rows[i - 1][j - 1] + 1)
        }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
