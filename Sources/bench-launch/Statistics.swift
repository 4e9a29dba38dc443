/// The value below which the part `part` of `values` lies.
func quantile(_ values: [Double], _ part: Double) -> Double {
  let sorted = values.sorted()
  return sorted.isEmpty ? 0 : sorted[Int(Double(sorted.count - 1) * part)]
}

/// The middle value.
func median(_ values: [Double]) -> Double { quantile(values, 0.5) }

/// `text`, filled up with spaces to `width`.
func pad(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}
