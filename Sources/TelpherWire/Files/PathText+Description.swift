internal import TelpherText

extension PathText: CustomStringConvertible {
  /// The path for display. Bytes that are not UTF-8, control characters and backslashes are
  /// escaped, so that a name can't hide text or move a terminal's cursor.
  public var description: String { shown(escapingBackslashes: true) }

  /// The same with an option to leave backslashes unescaped, for a sentence whose paths are escaped
  /// already.
  public func shown(escapingBackslashes: Bool) -> String {
    ShownText.escaped(bytes, escapingBackslashes: escapingBackslashes)
  }
}
