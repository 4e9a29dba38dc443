/// The indices between two brackets: `01-10/2` is 01, 03, 05, 07, 09.
struct HostRange {
  /// The digits of each index, with its padding.
  let indices: [String]

  /// The longest number in digits: it fits into 63 bits.
  static let maxDigits = 18

  /// Reads comma-separated ranges `N`, `A-B` and `A-B/STEP`.
  ///
  /// If a bound has leading zeros, both bounds must have as many digits, and every index gets as
  /// many.
  ///
  /// - Throws: `HostsError`; before the indices are made if they are more than a set may have.
  init(parsing text: Substring) throws(HostsError) {
    var indices: [String] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let range = try Self.range(part, in: text)
      guard range.count <= HostSet.maxCount - indices.count else { throw HostSet.tooMany }
      var value = range.first
      for _ in 0..<range.count {
        indices.append(Self.padded(value, to: range.width))
        value += range.step
      }
    }
    self.indices = indices
  }

  private static func range(
    _ part: Substring, in text: Substring
  ) throws(HostsError) -> (first: Int, count: Int, step: Int, width: Int) {
    let fault = { (reason: String) in HostsError("'[\(text)]': \(reason)") }
    let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
    let bounds = pieces[0].split(separator: "-", omittingEmptySubsequences: false)
    guard pieces.count <= 2, bounds.count <= 2, let first = number(bounds[0]),
      let last = number(bounds[bounds.count - 1])
    else {
      throw fault(
        "'\(part)' is not a range, which is N, A-B or A-B/STEP with numbers of at most \(maxDigits) digits"
      )
    }
    var step = 1
    if pieces.count == 2 {
      guard let number = number(pieces[1]), number > 0, bounds.count == 2 else {
        throw fault("the step of '\(part)' must be a number above 0 after a range A-B")
      }
      step = number
    }
    guard first <= last else { throw fault("'\(part)' ends before it begins") }
    let isPadded = bounds.contains { $0.count > 1 && $0.first == "0" }
    guard !isPadded || bounds[0].count == bounds[bounds.count - 1].count else {
      throw fault("both bounds of '\(part)' need the same number of digits, because one is padded")
    }
    return (first, (last - first) / step + 1, step, isPadded ? bounds[0].count : 0)
  }

  /// The number that ASCII digits write; nil for anything else.
  private static func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.count <= maxDigits,
      text.utf8.allSatisfy(NodeName.isDigit)
    else { return nil }
    return Int(text)
  }

  /// `value` with zeros before it up to `width` digits.
  static func padded(_ value: Int, to width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}
