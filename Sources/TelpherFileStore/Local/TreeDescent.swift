/// The state of a depth-first walk: the folders from the start down to the current one, and the
/// names that are still to be visited at each level. Symlinks are not followed.
///
/// Only the top and bottom levels stay open, to limit the number of descriptors. The levels between
/// are reopened by path when the walk returns to them. The names of the folders on the current path
/// are in memory.
struct TreeDescent: Sendable {
  /// The number of levels that stay open at the top, and the same at the bottom. 16 each cover most
  /// trees. It is less if the process may have few descriptors.
  static let openLevels = max(1, min(16, DescriptorLimit.current / 64))

  private struct Level {
    /// The end of this level's path in `way`.
    let wayEnd: Int
    /// The names still to visit, in reverse order.
    var names: [[UInt8]]
    var folder: Folder?
  }

  private let start: Folder
  private var levels: [Level] = []
  /// The components below `start`, joined by `/`.
  private var way: [UInt8] = []

  /// Begins at `start` and reads its names.
  init(from start: Folder) throws(FileError) {
    self.start = start
    levels = [Level(wayEnd: 0, names: try start.names().reversed(), folder: start)]
  }

  /// The path of the current folder.
  var path: RelativePath {
    way.isEmpty ? start.path : start.path.appending(unchecked: way)
  }

  /// Returns the next name of the current folder, in byte order; nil after the last.
  mutating func nextName() -> [UInt8]? { levels[levels.count - 1].names.popLast() }

  /// Returns the current folder, and reopens it if it was closed.
  mutating func folder() throws(FileError) -> Folder {
    let current = levels.count - 1
    if let folder = levels[current].folder { return folder }
    // Also open the levels right above, which will be needed next. So one long path lookup serves
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

  /// Opens a closed level, starting from the nearest open level above it.
  private func open(_ level: Int) throws(FileError) -> Folder {
    guard let above = levels[..<level].lastIndex(where: { $0.folder != nil }),
      var folder = levels[above].folder
    else { preconditionFailure("the start is always open") }
    var position = levels[above].wayEnd
    let end = levels[level].wayEnd
    // Split a path that is longer than the kernel's limit.
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

  /// Enters the folder `name` of the current folder, and reads its names.
  ///
  /// - Throws: the error of opening or reading it. The current folder then stays the same.
  mutating func enter(_ name: [UInt8]) throws(FileError) {
    let folder = try folder().folder(name)
    let names = try folder.names()
    let closed = levels.count - Self.openLevels
    if closed >= Self.openLevels { levels[closed].folder = nil }
    if !way.isEmpty { way.append(UInt8(ascii: "/")) }
    way += name
    levels.append(Level(wayEnd: way.count, names: names.reversed(), folder: folder))
  }

  /// The name of the folder at `level`.
  private func name(of level: Int) -> [UInt8] {
    let start = levels[level - 1].wayEnd
    return Array(way[(start == 0 ? 0 : start + 1)..<levels[level].wayEnd])
  }

  /// Returns to the parent level. Returns the name of the folder that was left; nil if the current
  /// folder is the start.
  mutating func leave() -> [UInt8]? {
    guard levels.count > 1 else { return nil }
    let name = name(of: levels.count - 1)
    levels.removeLast()
    way.removeLast(way.count - levels[levels.count - 1].wayEnd)
    return name
  }
}
