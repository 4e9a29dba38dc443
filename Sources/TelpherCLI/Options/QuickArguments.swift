/// Reads arguments from left to right for `QuickCommand`: options with their values, then words.
struct QuickArguments {
  /// The command line needs the argument parser.
  struct Unusual: Error {}

  /// The arguments that have not been read.
  private var rest: ArraySlice<String>
  /// The options that have been read.
  private var seen: [String] = []
  /// What follows the `=` of the last option.
  private var attached: String?

  init(_ arguments: ArraySlice<String>) { rest = arguments }

  private static let repeatable = "--env"
  private static let dash = UInt8(ascii: "-")
  private static let equals = UInt8(ascii: "=")

  /// Takes the next argument if it is an option, and returns its name: `--cwd` of `--cwd /` and
  /// `--cwd=/`. Returns nil at a word, at `--` and at the end. Only `--env` may be repeated.
  mutating func option() throws(Unusual) -> String? {
    // The value of a flag, as in `--json=1`.
    guard attached == nil else { throw Unusual() }
    guard let argument = rest.first, argument.utf8.first == Self.dash, argument != "--" else {
      return nil
    }
    rest.removeFirst()
    var name = argument
    if let equals = argument.utf8.firstIndex(of: Self.equals) {
      attached = String(argument[argument.utf8.index(after: equals)...])
      name = String(argument[..<equals])
    }
    guard name == Self.repeatable || !seen.contains(name) else { throw Unusual() }
    seen.append(name)
    return name
  }

  /// The value of the option that was read last, or the next word.
  mutating func value() throws(Unusual) -> String {
    let value = attached ?? rest.popFirst()
    attached = nil
    guard let value, let first = value.utf8.first, first != Self.dash else { throw Unusual() }
    return value
  }

  /// The next value, which must be UTF-8.
  mutating func plainValue() throws(Unusual) -> String {
    let value = try value()
    guard ArgumentText.isPlain(value) else { throw Unusual() }
    return value
  }

  /// The next value as `parse` reads it.
  mutating func value<Value>(_ parse: (String) throws -> Value?) throws(Unusual) -> Value {
    let text = try value()
    guard let value = try? parse(text) else { throw Unusual() }
    return value
  }

  /// Takes everything that is left: a command with its arguments, perhaps with `--` before them.
  mutating func words() throws(Unusual) -> [String] {
    defer { rest = [] }
    guard rest.count > (rest.first == "--" ? 1 : 0), !rest.contains(where: Self.isForParser) else {
      throw Unusual()
    }
    return Array(rest)
  }

  /// Whether the parser would act on this argument (print a completion script, or complete) even if
  /// it is a word of the command.
  private static func isForParser(_ argument: String) -> Bool {
    argument.utf8.starts(with: "--generate-completion-script".utf8) || argument == "---completion"
  }

  /// Checks that nothing is left.
  func end() throws(Unusual) {
    guard rest.isEmpty, attached == nil else { throw Unusual() }
  }
}
