/// The way down from a folder to one in it, however deep, and the names that are still to be visited
/// at each level. Symlinks are no way down.
///
/// Only some levels stay open, the uppermost and the deepest. What is between them is opened again by
/// its path when the descent comes back to it: the number of descriptors is bounded, and so is the
/// memory, by the names in the folders on the way.
struct TreeDescent: Sendable {
  /// How many levels stay open at the top, and how many at the bottom: together as deep as trees
  /// mostly are. Fewer if the process may have few descriptors.
  static let openLevels = max(1, min(16, DescriptorLimit.current / 64))

  private struct Level {
    /// Where the way to this level ends in `way`.
    let wayEnd: Int
    /// In reverse: the next one is the last.
    var names: [[UInt8]]
    var folder: Folder?
  }

  private let start: Folder
  private var levels: [Level] = []
  /// The components below `start`, joined by `/`.
  private var way: [UInt8] = []

  /// At `start`, whose names are read.
  init(from start: Folder) throws(FileError) {
    self.start = start
    levels = [Level(wayEnd: 0, names: try start.names().reversed(), folder: start)]
  }

  /// The path of the current folder.
  var path: RelativePath {
    way.isEmpty ? start.path : start.path.appending(unchecked: way)
  }

  /// The next name of the current folder, by bytes; nil behind the last.
  mutating func nextName() -> [UInt8]? { levels[levels.count - 1].names.popLast() }

  /// The current folder, opened again where it was closed.
  mutating func folder() throws(FileError) -> Folder {
    let current = levels.count - 1
    if let folder = levels[current].folder { return folder }
    // The levels right above will be wanted next, and are opened on the way to it: one long way for
    // many levels.
    let first = current + 1 - Self.openLevels
    var level = current
    while level > first && levels[level - 1].folder == nil { level -= 1 }
    var folder = try open(level)
    levels[level].folder = folder
    while level < current {
      level += 1
      folder = try folder.folder(name(of: level))
      levels[level].folder = folder
    }
    return folder
  }

  /// Opens a closed level from the nearest one above that is open.
  private func open(_ level: Int) throws(FileError) -> Folder {
    guard let above = levels[..<level].lastIndex(where: { $0.folder != nil }),
      var folder = levels[above].folder
    else { preconditionFailure("the start is always open") }
    var position = levels[above].wayEnd
    let end = levels[level].wayEnd
    // A way may be longer than the kernel takes at once.
    while position < end {
      if position > 0 { position += 1 }  // the '/'
      var pieceEnd = end
      if end - position > RelativePath.maximumLength {
        let longest = way[position..<(position + RelativePath.maximumLength)]
        guard let slash = longest.lastIndex(of: UInt8(ascii: "/")) else {
          preconditionFailure("a component has at most 255 bytes")
        }
        pieceEnd = slash
      }
      folder = try folder.folder(below: Array(way[position..<pieceEnd]))
      position = pieceEnd
    }
    return folder
  }

  /// Goes down into `name` of the current folder, and reads its names.
  ///
  /// - Throws: what opening or reading it says; the descent stays where it is then.
  mutating func enter(_ name: [UInt8]) throws(FileError) {
    let folder = try folder().folder(name)
    let names = try folder.names()
    let closed = levels.count - Self.openLevels
    if closed >= Self.openLevels { levels[closed].folder = nil }
    if !way.isEmpty { way.append(UInt8(ascii: "/")) }
    way += name
    levels.append(Level(wayEnd: way.count, names: names.reversed(), folder: folder))
  }

  /// The name of the folder that is `level`, in the one above.
  private func name(of level: Int) -> [UInt8] {
    let start = levels[level - 1].wayEnd
    return Array(way[(start == 0 ? 0 : start + 1)..<levels[level].wayEnd])
  }

  /// Goes up again. Returns the name of the folder that was left; nil at the start, where it stays.
  mutating func leave() -> [UInt8]? {
    guard levels.count > 1 else { return nil }
    let name = name(of: levels.count - 1)
    levels.removeLast()
    way.removeLast(way.count - levels[levels.count - 1].wayEnd)
    return name
  }
}
