/// Which hosts TCP is used with: this one only.
enum Loopback {
  /// Why `address` is not used.
  static func refusal(_ address: String) -> String {
    "\(address) is refused: TCP is not encrypted, and everybody on the way could read and change what is sent; TCP serves 127.0.0.1, ::1 and localhost, use ssh://HOST for another machine"
  }
}
