/// `--reconnect` and `--reconnect=TIME`: an option whose value may be missing, which the argument
/// parser does not know.
enum ReconnectArgument {
  /// How long to try if no time is given.
  static let defaultPatience = Duration.seconds(3_600)
  /// The flag and the option with a value.
  static let (flag, option) = ("reconnect", "reconnect-for")

  /// The arguments of `run`, `on` and `shell` for the parser: `--reconnect=TIME` becomes
  /// `--reconnect-for TIME`. Nothing is changed from the first word of the command on.
  static func parsed(_ arguments: [String]) -> [String] {
    guard ["run", "on", "shell"].contains(arguments.first) else { return arguments }
    var parsed = arguments
    var mayBeValue = arguments.first == "on"
    for place in arguments.indices.dropFirst() {
      let word = arguments[place]
      if word == "--" { break }
      guard word.hasPrefix("-") else {
        if mayBeValue {
          mayBeValue = false
          continue
        }
        break
      }
      mayBeValue = !word.contains("=") && !flags.contains(word)
      if word.hasPrefix("--\(flag)=") {
        parsed[place] = "--\(option)=" + word.dropFirst(flag.count + 3)
      }
    }
    return parsed
  }

  /// A message of the parser with the name of the option as the user knows it.
  static func message(_ text: String) -> String {
    text.replacing("'--\(option)'", with: "'--\(flag)'")
  }

  /// The options without a value, of `run` and `on`.
  private static let flags = FanOutOptions.flags.union([
    "-i", "-t", "-it", "--tty", "--merge", "--detach", "--shell", "--json", "--\(flag)",
  ])
}
