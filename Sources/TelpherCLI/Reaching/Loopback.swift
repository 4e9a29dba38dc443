/// Which hosts TCP is used with: this one only.
enum Loopback {
  /// Why `address` is not used.
  static func refusal(_ address: String) -> String {
    "\(address) is refused: TCP is not encrypted, and the token would cross the network in the clear; TCP serves 127.0.0.1, ::1 and localhost, use ssh://HOST for another machine"
  }
}
