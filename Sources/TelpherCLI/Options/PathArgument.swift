internal import ArgumentParser
internal import TelpherClient

/// A path on the command line, of any bytes. With a colon before the first slash it is HOST:PATH, as
/// for scp(1) and rsync(1): `./a:b` is the file `a:b`. HOST may be an IPv6 address in brackets.
struct PathArgument: Sendable, Equatable {
  /// The host; nil if the argument has none.
  var host: String?
  /// The path.
  let path: PathText

  /// Beginnings of addresses that would be taken for hosts.
  private static let addresses: Set = ["unix", "tcp", "tls", "exec"]

  /// Reads a path.
  ///
  /// - Throws: `ValidationError` if what is before the colon can't be a host.
  static func parse(_ text: String) throws -> PathArgument {
    let bytes = ArgumentText.bytes(of: text)
    guard let colon = colon(in: bytes) else { return PathArgument(path: PathText(bytes)) }
    let path = PathText(Array(bytes[(colon + 1)...]))
    let shown = "\(PathText(bytes))"
    guard let host = String(validating: bytes[..<colon], as: UTF8.self), !host.isEmpty else {
      throw ValidationError(
        "'\(shown)' has a colon, but no name of a host before it; \(advice(shown))"
      )
    }
    // No path on a host needs to begin with two slashes.
    if addresses.contains(host) || path.bytes.starts(with: "//".utf8) {
      throw ValidationError(
        "'\(shown)' begins as an address, but only the name of a host can stand before a path: give the address with --on, or a name in the configuration (see 'telpher on --help')"
      )
    }
    return PathArgument(host: host, path: path)
  }

  /// Where HOST ends; nil if there is none.
  private static func colon(in bytes: [UInt8]) -> Int? {
    let first = bytes.prefix { $0 != UInt8(ascii: "/") }
    let name = first.lastIndex(of: UInt8(ascii: "@")).map { first[($0 + 1)...] } ?? first
    if name.first == UInt8(ascii: "["), let bracket = name.firstIndex(of: UInt8(ascii: "]")),
      bracket + 1 < name.endIndex, name[bracket + 1] == UInt8(ascii: ":")
    {
      return bracket + 1
    }
    return first.firstIndex(of: UInt8(ascii: ":"))
  }

  /// Reads a path that is the value of an option, and so can't be HOST:PATH.
  static func parseOption(_ text: String) throws -> PathArgument {
    PathArgument(path: PathText(ArgumentText.bytes(of: text)))
  }

  /// Checks that the path is on this machine.
  ///
  /// - Throws: `ValidationError` if it is HOST:PATH.
  func requireLocal() throws {
    if host != nil {
      throw ValidationError(
        "'\(self)' is on another machine, and must be on this one; \(advice)")
    }
  }

  /// Checks that the path of a server does not begin with `~NAME`, which for a shell is the home of
  /// another user.
  ///
  /// - Throws: `ValidationError` if it does.
  func requireNoOtherHome() throws {
    let first = path.bytes.prefix { $0 != UInt8(ascii: "/") }
    guard first.count > 1, first.first == UInt8(ascii: "~") else { return }
    throw ValidationError(
      "'\(self)': only ~ alone stands for a home folder, that of the server's user; for another user's write the absolute path, and for a file of this name './\(path)'"
    )
  }

  /// How to name a file of this machine that is called like this argument.
  var advice: String { Self.advice(description) }

  private static func advice(_ shown: String) -> String {
    "for a file of this name write './\(shown)'"
  }
}

extension PathArgument: CustomStringConvertible {
  /// The argument for display, as the user wrote it.
  var description: String { (host.map { "\($0):" } ?? "") + path.description }
}
