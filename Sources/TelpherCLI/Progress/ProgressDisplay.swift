internal import TelpherClient

/// Displays the progress of a transfer.
struct ProgressDisplay {
  /// How the progress is displayed.
  enum Style {
    /// A live line on a terminal.
    case line(Terminal)
    /// JSON records on standard output.
    case records
    /// Nothing is displayed.
    case silent
  }

  let style: Style
  /// The least time between two updates, in seconds.
  private static let interval = 0.1

  private let start = ContinuousClock.now
  private var rate = RateMeter()
  private var shownAt = -interval
  private var isShown = false

  init(_ style: Style) { self.style = style }

  /// Seconds since the start.
  var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

  /// Displays the progress, unless it was displayed less than `interval` ago.
  mutating func show(_ progress: TransferProgress) {
    let now = seconds
    rate.add(progress.movedBytes, at: now)
    guard now - shownAt >= Self.interval else { return }
    shownAt = now
    switch style {
    case .line(let terminal):
      terminal.replaceLine(
        ProgressLine.text(progress, rate: rate.bytesPerSecond, width: terminal.width))
      isShown = true
    case .records:
      // A write error is ignored here: writing the result at the end then fails too.
      try? JSONText.print(ProgressRecord(progress: progress, seconds: now))
    case .silent: break
    }
  }

  /// Removes the live line.
  mutating func clear() {
    if case .line(let terminal) = style, isShown { terminal.replaceLine("") }
    isShown = false
  }
}

/// The record of `--json` for the progress of a transfer.
struct ProgressRecord: Encodable {
  /// The progress.
  let progress: TransferProgress
  /// Seconds since the start of the transfer.
  let seconds: Double

  private enum CodingKeys: String, CodingKey {
    case event, path, files, bytes, seconds
    case totalFiles = "total_files"
    case totalBytes = "total_bytes"
    case isTotalKnown = "total_known"
    case movedBytes = "moved_bytes"
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode("progress", forKey: .event)
    try container.encode(progress.path, forKey: .path)
    try container.encode(progress.files, forKey: .files)
    try container.encode(progress.totalFiles, forKey: .totalFiles)
    try container.encode(progress.bytes, forKey: .bytes)
    try container.encode(progress.totalBytes, forKey: .totalBytes)
    try container.encode(progress.movedBytes, forKey: .movedBytes)
    try container.encode(progress.isTotalKnown, forKey: .isTotalKnown)
    try container.encode(seconds, forKey: .seconds)
  }
}
