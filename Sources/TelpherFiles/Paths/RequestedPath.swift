/// A path as a client asks for it, or a user writes it: where it starts, what is below there, and
/// whether it must be a folder (docs/PROTOCOL.md, "Paths").
///
///     a/b     from home     b of a
///     ~/a     from home     a
///     /a      from slash    a
///     a/      from home     a, which must be a folder
public struct RequestedPath: Sendable, Equatable {
  /// Where a path starts.
  public enum Start: Sendable {
    /// In the home of the server's user; in the server's root if it has one.
    case home
    /// In the folder `/`; in the server's root if it has one.
    case slash
  }

  /// Where it starts.
  public let start: Start
  /// What is below there.
  public let path: RelativePath
  /// Whether only a folder may be there, because the path ends in `/` or `/.`, or is a start itself.
  public let mustBeFolder: Bool

  /// A path as it was written.
  ///
  /// - Throws: `FileError.Code.badPath` where it has a component `..`, has a NUL, or is longer than the
  ///   limits of `RelativePath`; the message says which.
  public init(_ bytes: [UInt8]) throws(FileError) {
    let slash = RelativePath.slash
    let isFromSlash = bytes.first == slash
    var below = bytes[...]
    // A file of the name "~" is "./~".
    let isFromHome = below.first == UInt8(ascii: "~") && (below.count == 1 || below[1] == slash)
    if isFromHome { below = below.dropFirst() }
    if isFromHome || isFromSlash { below = below.drop { $0 == slash } }
    start = isFromSlash ? .slash : .home
    path = try RelativePath(Array(below)).written(fromSlash: isFromSlash)
    mustBeFolder =
      path.isRoot || below.last == slash
      || below.suffix(2).elementsEqual([slash, UInt8(ascii: ".")])
  }

  /// The path as bytes, without what does not count (`.`, doubled slashes), as entries are named.
  public var written: [UInt8] { path.written }
}
