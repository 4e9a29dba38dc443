package import TelpherText

/// The name of a host as part of a set. Names are ordered as people count: `web2` comes before
/// `web10`.
package struct NodeName: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The name, compared by its bytes.
  package let exact: ExactText

  /// A host with this name.
  package init(_ text: String) { exact = ExactText(text) }

  /// The name as text.
  package var text: String { exact.text }
  package var description: String { text }

  /// Compares the names part by part: numbers by their length and then by their digits, all else by
  /// its bytes.
  package static func < (a: NodeName, b: NodeName) -> Bool {
    var (a, b) = (a.text, b.text)
    return a.withUTF8 { a in b.withUTF8 { b in isLess(a, b) } }
  }

  private static func isLess(
    _ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    var (i, j) = (0, 0)
    while i < a.count, j < b.count {
      let (m, n) = (digits(a, from: i), digits(b, from: j))
      if m > 0, n > 0 {
        if m != n { return m < n }
        for k in 0..<m where a[i + k] != b[j + k] { return a[i + k] < b[j + k] }
        (i, j) = (i + m, j + n)
      } else {
        if a[i] != b[j] { return a[i] < b[j] }
        (i, j) = (i + 1, j + 1)
      }
    }
    return a.count - i < b.count - j
  }

  private static func digits(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    var end = start
    while end < bytes.count, isDigit(bytes[end]) { end += 1 }
    return end - start
  }

  /// Whether a byte is an ASCII digit.
  static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
