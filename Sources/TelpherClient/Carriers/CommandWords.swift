/// Words of a command line, with the quotes of a shell (POSIX, "Quoting") and no other feature of
/// one. A shell reads bytes, so all of it works on scalars: a `Character` may be a quote with an
/// accent.
package enum CommandWords {
  /// Splits a line at spaces and tabs outside of quotes: '...', "..." and backslashes.
  ///
  /// - Returns: nil if a quote is not closed.
  package static func split(_ line: some StringProtocol) -> [String]? {
    var words: [String] = []
    var word: String.UnicodeScalarView?
    var quote: Unicode.Scalar?
    var scalars = line.unicodeScalars.makeIterator()
    func add(_ scalar: Unicode.Scalar) {
      if word == nil { word = String.UnicodeScalarView() }
      word?.append(scalar)
    }
    while let scalar = scalars.next() {
      switch (quote, scalar) {
      case (nil, " "), (nil, "\t"):
        if let word { words.append(String(word)) }
        word = nil
      case (nil, "'"), (nil, "\""):
        quote = scalar
        if word == nil { word = String.UnicodeScalarView() }
      case (nil, "\\"):
        guard let next = scalars.next() else { return nil }
        add(next)
      case ("\"", "\\"):
        guard let next = scalars.next() else { return nil }
        // Within double quotes, a backslash is kept before any other character.
        if !"\"\\$`".unicodeScalars.contains(next) { add(scalar) }
        add(next)
      case (let open?, _) where open == scalar: quote = nil
      default: add(scalar)
      }
    }
    guard quote == nil else { return nil }
    if let word { words.append(String(word)) }
    return words
  }

  /// The words as one line that `split` and a shell take apart again.
  package static func joined(_ words: [String]) -> String {
    words.map(quoted).joined(separator: " ")
  }

  /// A word with quotes if a shell would otherwise change it.
  package static func quoted(_ word: String) -> String {
    guard word.isEmpty || word.hasPrefix("~") || !word.utf8.allSatisfy(isPlain) else { return word }
    var quoted = String.UnicodeScalarView("'".unicodeScalars)
    for scalar in word.unicodeScalars {
      quoted.append(
        contentsOf: scalar == "'" ? "'\\''".unicodeScalars : String(scalar).unicodeScalars)
    }
    quoted.append("'")
    return String(quoted)
  }

  /// Whether a shell takes this byte as it is.
  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: marks.contains(byte)
    }
  }

  private static let marks = Array("-_./:@%+=,~".utf8)
}
