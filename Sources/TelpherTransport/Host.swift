internal import Glibc

/// Facts about hosts that need no name server.
public enum Host {
  /// Whether `host` is a loopback address: 127.0.0.0/8, ::1 or `localhost`.
  public static func isLoopback(_ host: String) -> Bool {
    if host == "localhost" { return true }
    var address = in_addr()
    if inet_pton(AF_INET, host, &address) == 1 {
      return UInt32(bigEndian: address.s_addr) >> 24 == 127
    }
    var address6 = in6_addr()
    guard inet_pton(AF_INET6, host, &address6) == 1 else { return false }
    return withUnsafeBytes(of: address6) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
  }
}
