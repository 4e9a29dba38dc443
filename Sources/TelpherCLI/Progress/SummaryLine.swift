internal import TelpherClient

/// The summary at the end of a transfer.
enum SummaryLine {
  /// The line without a line feed: files, bytes, time, rate, and the numbers of skipped, changed
  /// and failed files.
  static func text(_ counts: TreeCounts, seconds: Double) -> String {
    var text = Amount.count(counts.files, "file")
    if counts.links > 0 { text += ", " + Amount.count(counts.links, "link") }
    text += ", \(Amount.bytes(counts.bytes)) in \(Amount.elapsed(seconds))"
    if counts.bytes > 0, seconds > 0 { text += ", \(Amount.rate(Double(counts.bytes) / seconds))" }
    if counts.skipped > 0 { text += "; \(counts.skipped) skipped" }
    if counts.changed > 0 { text += "; \(counts.changed) changed while read" }
    if counts.failed > 0 { text += "; \(counts.failed) failed" }
    return text
  }
}
