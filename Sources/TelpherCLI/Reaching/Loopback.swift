internal import Glibc

/// Which hosts TCP is used with: this one only.
enum Loopback {
  /// Whether `host` stays on this machine: 127.0.0.0/8, ::1 or `localhost`.
  static func isLoopback(host: String) -> Bool {
    if host == "localhost" { return true }
    var address = in_addr()
    if inet_pton(AF_INET, host, &address) == 1 {
      return UInt32(bigEndian: address.s_addr) >> 24 == 127
    }
    var address6 = in6_addr()
    guard inet_pton(AF_INET6, host, &address6) == 1 else { return false }
    return withUnsafeBytes(of: address6) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
  }

  /// Why `address` is not used.
  static func refusal(_ address: String) -> String {
    "\(address) is refused: TCP is not encrypted, and the token would cross the network in the clear; TCP serves 127.0.0.1, ::1 and localhost, use ssh://HOST for another machine"
  }
}
