/// A command line whose arguments with three or more dashes at the start are replaced by
/// placeholders: the argument parser refuses them even among the words of a command.
struct DashedWords {
  /// The arguments for the parser.
  let arguments: [String]
  /// The arguments that the placeholders stand for, in order.
  private let replaced: [String]

  /// No argument of execve(2) contains it.
  private static let placeholder = "\0"

  /// Replaces the arguments.
  init(_ whole: [String]) {
    replaced = whole.filter { $0.hasPrefix("---") }
    arguments = whole.map { $0.hasPrefix("---") ? Self.placeholder : $0 }
  }

  /// Whether no argument was replaced.
  var isEmpty: Bool { replaced.isEmpty }

  /// The words with the arguments in the places of their placeholders; nil if one is missing, since
  /// it became the value of an option.
  func restored(_ words: [String]) -> [String]? {
    guard words.count(where: { $0 == Self.placeholder }) == replaced.count else { return nil }
    var rest = replaced[...]
    return words.map { $0 == Self.placeholder ? rest.removeFirst() : $0 }
  }
}
