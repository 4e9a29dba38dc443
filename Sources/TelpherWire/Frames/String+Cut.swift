extension String {
  /// The longest prefix that takes at most `count` bytes of UTF-8 and does not split a Unicode
  /// scalar.
  package func cut(toUTF8 count: Int) -> String {
    guard var end = utf8.index(startIndex, offsetBy: count, limitedBy: endIndex) else {
      return self
    }
    while end.samePosition(in: unicodeScalars) == nil { utf8.formIndex(before: &end) }
    return String(self[..<end])
  }
}
