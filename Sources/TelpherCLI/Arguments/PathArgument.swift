internal import ArgumentParser
internal import TelpherClient

/// A path on the command line: any bytes. A name with a colon before any slash is kept for HOST:PATH,
/// as scp(1) and rsync(1) have it, and refused until that is built; `./a:b` is the file `a:b`.
struct PathArgument: Sendable, Equatable {
  /// The path.
  let path: PathText

  /// Reads a path.
  ///
  /// - Throws: `ValidationError` for what may be HOST:PATH.
  static func parse(_ text: String) throws -> PathArgument {
    let bytes = ArgumentText.bytes(of: text)
    let first = bytes.prefix { $0 != UInt8(ascii: "/") }
    guard let colon = first.firstIndex(of: UInt8(ascii: ":")) else {
      return PathArgument(path: PathText(bytes))
    }
    let shown = PathText(bytes)
    let host = PathText(Array(bytes[..<colon]))
    throw ValidationError(
      "'\(shown)' has a colon before any slash, as HOST:PATH has; write './\(shown)' for a file of "
        + "that name, and --on ssh://\(host.bytes.isEmpty ? "HOST" : "\(host)") for files of another machine"
    )
  }

  /// Reads the value of an option, which is never HOST:PATH.
  static func parseOption(_ text: String) throws -> PathArgument {
    PathArgument(path: PathText(ArgumentText.bytes(of: text)))
  }
}
