internal import CLibUV
internal import Glibc
internal import TelpherTransport

/// An address as the system's calls take it.
struct SystemAddress {
  /// The address. A `var` only because C wants its place.
  var storage = tuv_address()
  /// How much of it counts.
  var length: socklen_t = 0
  /// Whether it is a Unix socket's.
  let isUnix: Bool

  /// The family, socket(2).
  var family: Int32 {
    var copy = storage
    return tuv_family(&copy)
  }

  /// The system's form of `address`, without asking any name server.
  ///
  /// - Throws: `TransportError.Code.badAddress`, after `what` was tried.
  init(_ address: SocketAddress, _ what: String) throws(TransportError) {
    switch address {
    case .unix(let path):
      isUnix = true
      guard !path.isEmpty, !path.utf8.contains(0) else {
        throw TransportError(.badAddress, "\(what): the path is empty or has a NUL byte")
      }
      guard tuv_unix_address(path, &storage, &length) == 0 else {
        let limit = tuv_longest_unix_path()
        throw TransportError(
          .badAddress,
          "\(what): a Unix socket's path has at most \(limit) bytes, this one \(path.utf8.count)",
          errno: ENAMETOOLONG)
      }
    case .tcp(let host, let port):
      isUnix = false
      let numeric = host == "localhost" ? "127.0.0.1" : host
      guard tuv_parse_address(numeric, Int32(port), &storage, &length) == 0 else {
        throw TransportError(
          .badAddress, "\(what): the host is neither a numeric address nor localhost",
          errno: EINVAL)
      }
    }
  }
}

/// The host of a TCP address as text.
func hostText(_ address: tuv_address) -> String {
  var address = address
  return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
    tuv_host(&address, text.baseAddress, text.count) == 0
      ? String(cString: text.baseAddress!) : "unknown"
  }
}
