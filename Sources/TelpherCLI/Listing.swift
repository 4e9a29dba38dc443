internal import Glibc
internal import TelpherClient

/// Formats the output of `ls`.
struct Listing {
  /// The path that the user named; printed names are relative to it.
  let base: [UInt8]
  let isLong: Bool
  let showsHidden: Bool
  /// Whether control characters and bytes that are not UTF-8 are escaped in names.
  let isForTerminal: Bool

  /// The lines, as bytes, because a name may have bytes that are not UTF-8.
  func text(of entries: [FileEntry]) -> [UInt8] {
    let base = (try? RequestedPath(base))?.written ?? []
    let named = entries.map { (entry: $0, name: name($0.path.bytes, from: base)) }
      .filter { showsHidden || !isHidden($0.name) }
    let width = named.map { size($0.entry).utf8.count }.max() ?? 0
    var text: [UInt8] = []
    for (entry, name) in named {
      if isLong {
        let time = entry.mtimeNS.map(EntryText.localTime) ?? "-"
        let size = Columns.padded(size(entry), to: width, isRightAligned: true)
        text += "\(EntryText.mode(entry))  \(size)  \(time)  ".utf8
      }
      text += shown(name)
      if entry.kind == .directory { text.append(slash) }
      if isLong, let link = entry.link { text += " -> ".utf8 + shown(link.bytes) }
      text.append(UInt8(ascii: "\n"))
    }
    return text
  }

  private let slash = UInt8(ascii: "/")

  private func name(_ path: [UInt8], from base: [UInt8]) -> [UInt8] {
    let folder = base.isEmpty || base == [slash] ? base : base + [slash]
    guard path.count > folder.count, path.starts(with: folder) else { return path }
    return Array(path.dropFirst(folder.count))
  }

  /// Whether a part of the relative path begins with a dot.
  private func isHidden(_ name: [UInt8]) -> Bool {
    name.split(separator: slash).contains { $0.first == UInt8(ascii: ".") }
  }

  private func size(_ entry: FileEntry) -> String { entry.size.map { "\($0)" } ?? "-" }

  private func shown(_ name: [UInt8]) -> [UInt8] {
    isForTerminal ? Array(PathText(name).description.utf8) : name
  }
}

/// Formats a file's properties as text.
enum EntryText {
  /// The kind and permissions in the format of ls(1): `-rw-r--r--`. Unknown kinds and permissions
  /// are `?`.
  static func mode(_ entry: FileEntry) -> String {
    let kind =
      switch entry.kind {
      case .file: "-"
      case .directory: "d"
      case .symlink: "l"
      case .other: "?"
      }
    guard let mode = entry.mode else {
      return kind + String(repeating: entry.kind == .symlink ? "rwx" : "???", count: 3)
    }
    let special: [(bit: UInt32, letter: String)] = [(0o4000, "s"), (0o2000, "s"), (0o1000, "t")]
    var text = kind
    for (place, special) in special.enumerated() {
      let bits = mode >> UInt32(6 - 3 * place)
      text += bits & 4 != 0 ? "r" : "-"
      text += bits & 2 != 0 ? "w" : "-"
      switch (mode & special.bit != 0, bits & 1 != 0) {
      case (true, true): text += special.letter
      case (true, false): text += special.letter.uppercased()
      case (false, true): text += "x"
      case (false, false): text += "-"
      }
    }
    return text
  }

  /// A time in nanoseconds since 1970, as `2026-11-21 09:41:51` in the local time zone.
  static func localTime(_ nanoseconds: Int128) -> String {
    guard let time = broken(nanoseconds) else { return "-" }
    return format(time, "%Y-%m-%d %H:%M:%S")
  }

  /// The text that `stat` prints: a line for each known property.
  static func paragraph(_ entry: FileEntry) -> String {
    var lines = [
      "path: \(entry.path.bytes.isEmpty ? "." : entry.path.description)", "kind: \(entry.kind)",
    ]
    if let size = entry.size { lines.append("size: \(size)") }
    if let mode = entry.mode {
      let digits = String(mode & 0o7777, radix: 8)
      let zeros = String(repeating: "0", count: max(0, 4 - digits.count))
      lines.append("mode: \(zeros)\(digits) (\(Self.mode(entry)))")
    }
    if let nanoseconds = entry.mtimeNS, let time = broken(nanoseconds) {
      let fraction = String(parts(nanoseconds).nanoseconds)
      let zeros = String(repeating: "0", count: 9 - fraction.count)
      lines.append(
        "modified: \(format(time, "%Y-%m-%d %H:%M:%S")).\(zeros)\(fraction) \(format(time, "%z"))")
    }
    if let link = entry.link { lines.append("link: \(link)") }
    return lines.map { $0 + "\n" }.joined()
  }

  /// Whole seconds, rounded down, and the rest; so the rest is never negative, even before 1970.
  private static func parts(_ nanoseconds: Int128) -> (seconds: Int, nanoseconds: Int) {
    let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    // The number comes from the server and may be too large for `Int`.
    return rest < 0
      ? (Int(clamping: seconds - 1), Int(rest) + 1_000_000_000)
      : (Int(clamping: seconds), Int(rest))
  }

  private static func broken(_ nanoseconds: Int128) -> tm? {
    var seconds = time_t(parts(nanoseconds).seconds)
    var time = tm()
    return localtime_r(&seconds, &time) == nil ? nil : time
  }

  private static func format(_ time: tm, _ format: String) -> String {
    var time = time
    return String(unsafeUninitializedCapacity: 64) { buffer in
      buffer.withMemoryRebound(to: CChar.self) {
        strftime($0.baseAddress!, $0.count, format, &time)
      }
    }
  }
}
