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
