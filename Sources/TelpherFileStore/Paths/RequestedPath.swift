/// A path in a client's request or from a user: its start, the path below that start, and whether
/// it must be a folder (docs/PROTOCOL.md, "Paths").
///
///     a/b     from home     b of a
///     ~/a     from home     a
///     /a      from slash    a
///     a/      from home     a, which must be a folder
package struct RequestedPath: Sendable, Equatable {
  /// The folder that a path starts in.
  package enum Start: Sendable {
    /// The home folder of the server's user, or the server's root if it has one.
    case home
    /// The folder `/`, or the server's root if it has one.
    case slash
  }

  /// The folder that the path starts in.
  package let start: Start
  /// The path below the start.
  package let path: RelativePath
  /// Whether the path must be a folder, because it ends in `/` or `/.`, or has no components.
  package let mustBeFolder: Bool

  /// Parses a path.
  ///
  /// - Throws: `FileError.Code.badPath` if the path has a `..` component, has a NUL, or is longer
  ///   than the limits of `RelativePath`; the message gives the reason.
  package init(_ bytes: [UInt8]) throws(FileError) {
    let slash = RelativePath.slash
    let isFromSlash = bytes.first == slash
    var below = bytes[...]
    // A file that is called "~" is written as "./~".
    let isFromHome = below.first == UInt8(ascii: "~") && (below.count == 1 || below[1] == slash)
    if isFromHome { below = below.dropFirst() }
    if isFromHome || isFromSlash { below = below.drop { $0 == slash } }
    start = isFromSlash ? .slash : .home
    path = try RelativePath(Array(below)).written(fromSlash: isFromSlash)
    mustBeFolder =
      path.isRoot || below.last == slash
      || below.suffix(2).elementsEqual([slash, UInt8(ascii: ".")])
  }

  /// The path as entries are named: as it was written, without `.` components, repeated slashes and
  /// trailing slashes.
  package var written: [UInt8] { path.written }
}
