internal import CTelpherSys
internal import Glibc

/// The service manager that has started this process, such as systemd: it gets messages over the
/// socket in $NOTIFY_SOCKET, sd_notify(3).
enum ServiceManager {
  /// The variable with the path of the socket, or with `@` and its name without a file.
  static let variable = "NOTIFY_SOCKET"

  /// Sends a message such as `READY=1`. Does nothing without a manager; a failure is ignored, since
  /// the manager has a time limit of its own.
  static func notify(_ message: String, _ environment: [String: String]) {
    guard let place = environment[variable], !place.isEmpty else { return }
    var address = telpher_address()
    let status =
      place.hasPrefix("@")
      ? telpher_abstract_address(String(place.dropFirst()), &address)
      : telpher_unix_address(place, &address)
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    guard status == 0, telpher_connect(descriptor, &address) == 0 else { return }
    _ = telpher_send_message(descriptor, message, message.utf8.count, nil, 0)
  }
}
