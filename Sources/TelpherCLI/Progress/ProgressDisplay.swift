internal import Glibc
internal import TelpherClient
internal import TelpherText
internal import TelpherWire

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

/// Measures the rate of the last few seconds. The figure is smooth, and the beginning of a long
/// transfer does not affect it.
struct RateMeter {
  /// The time over which the rate is measured, in seconds.
  private static let window = 3.0

  private var samples: [(seconds: Double, bytes: Int64)] = [(0, 0)]

  /// Adds a sample: the total of `bytes` moved until `seconds` after the start.
  mutating func add(_ bytes: Int64, at seconds: Double) {
    samples.append((seconds, bytes))
    // The latest sample before the window is kept: it marks the window's beginning.
    let isOld = samples.dropFirst().prefix { $0.seconds <= seconds - Self.window }.count
    samples.removeFirst(isOld)
  }

  /// The rate; nil if the samples don't show one yet.
  var bytesPerSecond: Double? {
    guard let first = samples.first, let last = samples.last, last.seconds > first.seconds,
      last.bytes > first.bytes
    else { return nil }
    return Double(last.bytes - first.bytes) / (last.seconds - first.seconds)
  }
}

/// The terminal at standard error.
struct Terminal {
  /// The terminal at standard error; nil if there is none, or if it can't redraw a line ($TERM is
  /// `dumb`).
  static func ofStandardError(_ environment: [String: String]) -> Terminal? {
    guard isatty(STDERR_FILENO) == 1, environment["TERM"] != "dumb" else { return nil }
    return Terminal()
  }

  /// The current width in columns, which changes if the window is resized; 80 if unknown.
  var width: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Replaces the current line with `text`, which must fit on it. An empty text clears the line.
  func replaceLine(_ text: String) {
    try? Descriptor.error.write("\r\(ShownText.escaped(text))\u{1B}[K")
  }
}
