extension String {
  /// The longest start of the text that takes at most `count` bytes and ends between characters.
  func cut(toUTF8 count: Int) -> String {
    guard var end = utf8.index(startIndex, offsetBy: count, limitedBy: endIndex) else {
      return self
    }
    while end.samePosition(in: unicodeScalars) == nil { utf8.formIndex(before: &end) }
    return String(self[..<end])
  }
}
