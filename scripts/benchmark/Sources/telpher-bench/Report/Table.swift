/// The table of one comparison, for a terminal or for a page.
struct Table {
  /// The headings of the columns.
  let heads: [String]
  private(set) var rows: [[String]]
  /// Sentences below the table.
  private(set) var notes: [String]

  init(_ result: ComparisonResult) {
    let hasLatency = result.entries.contains { $0.latency != nil }
    let hasRatio = result.entries.contains { !$0.ratios.isEmpty }
    var heads = ["contestant", "\(result.unit)", "lowest to highest"]
    if hasRatio { heads += ["ratio", "lowest to highest"] }
    if hasLatency { heads += ["p50 us", "p99 us", "p99.9 us"] }
    self.heads = heads
    rows = result.entries.filter { !$0.values.isEmpty }.map { entry in
      var row = [entry.name, figure(entry.values.median), Self.spread(entry.values, figure)]
      if hasRatio {
        row.append(entry.ratios.isEmpty ? "" : decimal(entry.ratios.median, digits: 2))
        row.append(Self.spread(entry.ratios) { decimal($0, digits: 2) })
      }
      if hasLatency {
        row += entry.latency.map { [$0.p50, $0.p99, $0.p999].map(figure) } ?? ["", "", ""]
      }
      return row
    }
    notes = result.absent.map { "Absent: \($0.name): \($0.reason)." }
    notes += result.entries.compactMap { entry in
      entry.failure.map { "Failed: \(entry.name): \($0)." }
    }
  }

  private static func spread(_ values: [Double], _ text: (Double) -> String) -> String {
    guard let lowest = values.min(), let highest = values.max() else { return "" }
    return "\(text(lowest)) to \(text(highest))"
  }

  /// The table as plain text with aligned columns.
  var plain: String {
    let all = [heads] + rows
    let widths = heads.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    let lines = all.map { row in
      "  "
        + row.enumerated().map { Self.pad($1, widths[$0], left: $0 == 0) }.joined(separator: "  ")
    }
    return (lines + notes.map { "  \($0)" }).joined(separator: "\n") + "\n"
  }

  /// The table in Markdown.
  var markdown: String {
    var lines = [line(heads), line(heads.indices.map { $0 == 0 ? "---" : "---:" })]
    lines += rows.map(line)
    for note in notes { lines += ["", note] }
    return lines.joined(separator: "\n") + "\n"
  }

  private func line(_ cells: [String]) -> String { "| \(cells.joined(separator: " | ")) |" }

  private static func pad(_ text: String, _ width: Int, left: Bool) -> String {
    let space = String(repeating: " ", count: width - text.count)
    return left ? text + space : space + text
  }
}
