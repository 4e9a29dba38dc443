/// An option before a word such as `-5`, which the argument parser takes for an option too: it says
/// that the value is missing.
struct MissingValue {
  private let option: String
  private let word: String

  /// - Parameter message: the message of the parser, such as `Missing value for '--nice <n>'`.
  /// - Returns: nil if the message says something else, or if no number follows the option.
  init?(_ message: String, in arguments: [String]) {
    let beginning = "Missing value for '"
    guard message.hasPrefix(beginning) else { return nil }
    let name = message.dropFirst(beginning.count).prefix { $0 != " " && $0 != "'" }
    guard let index = arguments.firstIndex(where: { $0 == name }), index + 1 < arguments.count
    else { return nil }
    let next = arguments[index + 1]
    guard next.hasPrefix("-"), next.dropFirst().first?.isNumber == true else { return nil }
    (option, word) = (String(name), next)
  }

  /// The message for the user.
  var message: String {
    "a value that begins with a dash is written with '=': '\(option)=\(word)'"
  }
}
