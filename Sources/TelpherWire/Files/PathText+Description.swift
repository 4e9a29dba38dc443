extension PathText: CustomStringConvertible {
  /// The path for a person: what is not UTF-8, a control character or a backslash is escaped, so that
  /// it can neither hide nor move a terminal's cursor.
  public var description: String { shown(escapingBackslashes: true) }

  /// The same, or with backslashes as they are: of a sentence in which paths are escaped already.
  public func shown(escapingBackslashes: Bool) -> String {
    ShownText.escaped(bytes, escapingBackslashes: escapingBackslashes)
  }
}
