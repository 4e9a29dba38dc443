internal import ArgumentParser
internal import TelpherClient

/// A path on the command line, of any bytes. An argument with a colon before the first slash is
/// refused: scp(1) and rsync(1) read it as HOST:PATH, which this program does not support. `./a:b`
/// is the file `a:b`.
struct PathArgument: Sendable, Equatable {
  /// The path.
  let path: PathText

  /// Reads a path.
  ///
  /// - Throws: `ValidationError` if the argument may be HOST:PATH.
  static func parse(_ text: String) throws -> PathArgument {
    let bytes = ArgumentText.bytes(of: text)
    let first = bytes.prefix { $0 != UInt8(ascii: "/") }
    guard let colon = first.firstIndex(of: UInt8(ascii: ":")) else {
      return PathArgument(path: PathText(bytes))
    }
    let shown = PathText(bytes)
    let host = PathText(Array(bytes[..<colon]))
    throw ValidationError(
      "'\(shown)' looks like HOST:PATH, which telpher does not support; for a file of this name write "
        + "'./\(shown)', for another machine use --on ssh://\(host.bytes.isEmpty ? "HOST" : "\(host)")"
    )
  }

  /// Reads a path that is the value of an option, and so can't be HOST:PATH.
  static func parseOption(_ text: String) throws -> PathArgument {
    PathArgument(path: PathText(ArgumentText.bytes(of: text)))
  }
}
