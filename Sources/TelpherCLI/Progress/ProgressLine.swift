internal import TelpherClient

/// The live line of a transfer: what is worked on, how much of it is done, how fast it goes and how
/// long it will take.
enum ProgressLine {
  /// Columns of a name that are worth their place.
  private static let shortestName = 8

  /// The line for a terminal of `width` columns, of which it leaves the last one free: a full line
  /// would make some of them go to the next.
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

  /// Nil while it is not known how much there is: it would fall again and again. 100 only where
  /// nothing is left.
  private static func percent(_ progress: TransferProgress) -> Int? {
    guard progress.isTotalKnown, progress.totalBytes > 0 else { return nil }
    let done = min(max(0, progress.bytes), progress.totalBytes)
    guard done < progress.totalBytes else { return 100 }
    return min(99, Int(Double(done) / Double(progress.totalBytes) * 100))
  }
}
