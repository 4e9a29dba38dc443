internal import TelpherClient

/// A command line whose long rows of paths are replaced by placeholders. The time of the argument
/// parser grows with the square of the number of arguments: 10,000 take half a minute.
///
///     put -r a b c ... y z dir   ->   put -r a b <placeholder> dir
///
/// A row consists of arguments that the parser can take only for paths: they do not begin with a
/// dash, except for `-` itself, or they follow `--`. The first argument of a row may be the value of
/// an option, so it stays. The second and the last one stay too, so that a check for too few paths,
/// or of the last one, gives the same result as without placeholders. A path that can't be parsed
/// also stays, so that the parser reports it.
struct ShortenedArguments {
  /// The arguments for the parser.
  private(set) var arguments: [String] = []
  /// The paths that each placeholder stands for.
  private var removed: [[PathArgument]] = []
  /// Whether a path stays because it can't be parsed. One is enough for an error.
  private var hasFault = false

  /// The length from which a row is shortened.
  static let shortestRow = 8
  /// The first byte of a placeholder. No argument of execve(2) contains it.
  private static let mark: UInt8 = 0

  /// Shortens the arguments.
  init(_ whole: [String]) {
    var rest = whole[...]
    while let first = rest.first {
      if first == "--" {
        arguments.append(first)
        addRow(rest.dropFirst())
        return
      }
      let row = rest.prefix { $0.first != "-" || $0 == "-" }
      if row.isEmpty { arguments.append(first) } else { addRow(row) }
      rest = rest.dropFirst(max(row.count, 1))
    }
  }

  private mutating func addRow(_ row: ArraySlice<String>) {
    guard row.count >= Self.shortestRow else {
      arguments += row
      return
    }
    arguments += row.prefix(2)
    var paths: [PathArgument] = []
    for argument in row.dropFirst(2).dropLast() {
      if let path = try? PathArgument.parse(argument) {
        paths.append(path)
      } else if !hasFault {
        hasFault = true
        arguments.append(argument)
      }
    }
    arguments.append("\0\(removed.count)")
    removed.append(paths)
    arguments += row.suffix(1)
  }

  /// The parsed paths with the removed ones in the place of the placeholders.
  func restored(_ paths: [PathArgument]) -> [PathArgument] {
    paths.flatMap { path in
      let bytes = path.path.bytes
      guard bytes.first == Self.mark else { return [path] }
      guard let number = Int(String(decoding: bytes.dropFirst(), as: UTF8.self)) else {
        preconditionFailure("only a placeholder of this type begins with the mark")
      }
      return removed[number]
    }
  }
}

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
