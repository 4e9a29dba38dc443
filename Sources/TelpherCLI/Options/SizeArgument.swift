internal import ArgumentParser

/// Numbers of bytes on the command line: `4096`, `512M`, `1.5G`, in powers of 1024.
enum SizeArgument {
  /// Reads a size.
  ///
  /// - Throws: `ValidationError` that says what is expected.
  static func parse(_ text: String) throws -> UInt64 {
    let mistake = ValidationError(
      "'\(text)' is not a size; write for example 4096 (bytes), 100K, 512M, 1.5G or 1T")
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    var unit = text.dropFirst(digits.count).lowercased()
    for suffix in ["ib", "b"] where unit.hasSuffix(suffix) {
      unit.removeLast(suffix.count)
      break
    }
    guard let power = ["", "k", "m", "g", "t"].firstIndex(of: unit), digits.utf8.count <= 20 else {
      throw mistake
    }
    let size = UInt64(1) << (10 * UInt64(power))
    if let whole = UInt64(digits) {
      let (bytes, isTooLarge) = whole.multipliedReportingOverflow(by: size)
      guard !isTooLarge, bytes <= 1 << 62 else {
        throw ValidationError("'\(text)' is larger than 4 EiB, the largest size allowed")
      }
      return bytes
    }
    guard power > 0, let number = DecimalArgument.parse(digits), number < 1e6 else { throw mistake }
    return UInt64((number * Double(size)).rounded())
  }
}

/// Decimal fractions on the command line.
enum DecimalArgument {
  /// The number that `text` writes with digits and at most one point; nil if it is something else.
  static func parse(_ text: some StringProtocol) -> Double? {
    let isNumber =
      text.utf8.count <= 20 && text.utf8.contains { $0 != UInt8(ascii: ".") }
      && text.utf8.filter { $0 == UInt8(ascii: ".") }.count <= 1
      && text.utf8.allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".")
      }
    return isNumber ? Double(text) : nil
  }
}
