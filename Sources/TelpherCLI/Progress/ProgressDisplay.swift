internal import TelpherClient

/// Shows how a transfer goes, as it is to be shown.
struct ProgressDisplay {
  /// How.
  enum Style {
    /// A live line on a terminal.
    case line(Terminal)
    /// JSON records on standard output.
    case records
    /// Not at all.
    case silent
  }

  let style: Style
  /// The least time between two of them, in seconds.
  private static let interval = 0.1

  private let start = ContinuousClock.now
  private var rate = RateMeter()
  private var shownAt = -interval
  private var isShown = false

  init(_ style: Style) { self.style = style }

  /// Seconds since the start.
  var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

  /// Shows it, unless that was just done.
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
      // Where it can't be written, the result will tell: that can't be either.
      try? JSONText.print(ProgressRecord(progress: progress, seconds: now))
    case .silent: break
    }
  }

  /// Takes the live line away.
  mutating func clear() {
    if case .line(let terminal) = style, isShown { terminal.replaceLine("") }
    isShown = false
  }
}

/// One record of `--json` while a transfer goes.
struct ProgressRecord: Encodable {
  /// How far it is.
  let progress: TransferProgress
  /// Since its start.
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
