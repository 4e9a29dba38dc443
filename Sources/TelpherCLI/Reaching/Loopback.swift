/// The rule that TCP is used only within this machine.
enum Loopback {
  /// The message that refuses `address`.
  static func refusal(_ address: String) -> String {
    "\(address) is refused: TCP is not encrypted, so telpher uses it only within this machine (127.0.0.1, ::1, localhost); between machines, clients connect with --on ssh://HOST"
  }
}
