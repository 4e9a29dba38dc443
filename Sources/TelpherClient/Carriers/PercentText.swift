/// Text within an address, with `%` and two hexadecimal digits for each byte that would have another
/// meaning there (RFC 3986, section 2.1).
enum PercentText {
  /// `text` for the value of an option.
  static func encoded(_ text: String) -> String { encoded(text, keeping: "-._~/@:,[]") }

  /// `text` for a part between slashes.
  static func encoded(part text: String) -> String { encoded(text, keeping: "-._~@:,[]") }

  private static func encoded(_ text: String, keeping marks: String) -> String {
    text.utf8.reduce(into: "") { encoded, byte in
      let scalar = Unicode.Scalar(byte)
      let isKept =
        scalar.isASCII
        && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil
          || marks.unicodeScalars.contains(scalar))
      encoded += isKept ? String(scalar) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
  }

  /// The text that `encoded` returned `text` for.
  ///
  /// - Returns: nil if a `%` has no two digits after it, or if the bytes are not UTF-8 or have a
  ///   NUL, which no argument can contain.
  static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = rest.prefix(2)
      guard digits.count == 2, let high = hexDigit(digits.first!), let low = hexDigit(digits.last!)
      else { return nil }
      bytes.append(high << 4 | low)
      rest = rest.dropFirst(2)
    }
    return bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) }
  }
}
