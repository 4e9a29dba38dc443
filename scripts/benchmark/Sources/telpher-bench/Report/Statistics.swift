internal import Glibc

extension [Double] {
  /// The median; for an even number of values the mean of the middle two; NaN for none.
  var median: Double {
    guard !isEmpty else { return .nan }
    let sorted = sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

/// Formats a figure for a table: three significant digits below 1,000, and above it a whole number
/// with thousands separators.
func figure(_ value: Double) -> String {
  guard value.isFinite else { return "-" }
  guard abs(value) < 1_000 else { return grouped(value) }
  let digits = abs(value) >= 100 ? 0 : abs(value) >= 10 ? 1 : 2
  return decimal(value, digits: digits)
}

/// Formats `value` with a fixed number of digits after the decimal point.
func decimal(_ value: Double, digits: Int) -> String {
  guard value.isFinite else { return "-" }
  let scale = pow(10, Double(digits))
  let scaled = Int((abs(value) * scale).rounded())
  let sign = value < 0 && scaled > 0 ? "-" : ""
  guard digits > 0 else { return "\(sign)\(scaled)" }
  let fraction = "\(scaled % Int(scale))"
  let zeros = String(repeating: "0", count: digits - fraction.count)
  return "\(sign)\(scaled / Int(scale)).\(zeros)\(fraction)"
}

private func grouped(_ value: Double) -> String {
  var rest = "\(Int(abs(value).rounded()))"
  var groups: [String] = []
  while rest.count > 3 {
    groups.insert(String(rest.suffix(3)), at: 0)
    rest.removeLast(3)
  }
  return (value < 0 ? "-" : "") + ([rest] + groups).joined(separator: ",")
}
