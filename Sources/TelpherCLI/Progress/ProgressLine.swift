internal import TelpherClient

/// Formats the live line of a transfer: the current file, the amount done, the rate and the time
/// left.
enum ProgressLine {
  /// If fewer columns than these are left for the name, it is not shown.
  private static let shortestName = 8

  /// The line for a terminal of `width` columns. It leaves the last column free, because some
  /// terminals move to the next line after a full one.
  static func text(_ progress: TransferProgress, rate: Double?, width: Int) -> String {
    let figures = figures(progress, rate)
    let room = max(0, width - 1)
    let nameRoom = room - Columns.count(figures) - 2
    guard nameRoom >= shortestName else { return Columns.shortened(figures, to: room) }
    let name = Columns.shortened(progress.path, to: nameRoom)
    return name.isEmpty ? figures : "\(name)  \(figures)"
  }

  private static func figures(_ progress: TransferProgress, _ rate: Double?) -> String {
    var parts: [String] = []
    if progress.totalFiles > 1 || !progress.isTotalKnown {
      parts.append(
        "\(progress.files)/\(progress.totalFiles)\(progress.isTotalKnown ? "" : "+") files")
    }
    if let percent = percent(progress) { parts.append("\(percent)%") }
    parts.append(Amount.bytes(progress.bytes))
    parts.append(rate.map(Amount.rate) ?? "-")
    if let rate, rate > 0, progress.isTotalKnown {
      let left = Double(max(0, progress.totalBytes - progress.bytes))
      parts.append("\(Amount.clock(left / rate)) left")
    }
    return parts.joined(separator: "  ")
  }

  /// The percentage done; nil until the total is known, because it would go down as the total
  /// grows. It is 100 only if nothing is left.
  private static func percent(_ progress: TransferProgress) -> Int? {
    guard progress.isTotalKnown, progress.totalBytes > 0 else { return nil }
    let done = min(max(0, progress.bytes), progress.totalBytes)
    guard done < progress.totalBytes else { return 100 }
    return min(99, Int(Double(done) / Double(progress.totalBytes) * 100))
  }
}
