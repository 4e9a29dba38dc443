internal import Glibc

/// Finds programs that may or may not be installed, and waits for servers to start.
enum Tool {
  /// Returns the path of `name`, found on PATH, /usr/sbin or /sbin; nil if it is not installed.
  static func find(_ name: String) -> String? {
    let path = getenv("PATH").map { String(cString: $0) } ?? ""
    let folders = path.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin"]
    return folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
  }

  /// Returns a free port of 127.0.0.1, for programs that cannot choose one themselves.
  ///
  /// - Throws: `Failure` if there is none.
  static func freePort() throws(Failure) -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw Failure("cannot create a socket") }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0
      }
    }
    guard isBound else { throw Failure("cannot find a free port") }
    return UInt16(bigEndian: address.sin_port)
  }

  /// Waits until a program listens at `port` of 127.0.0.1.
  ///
  /// - Throws: `Failure` if none does within 10 seconds.
  static func waitForListener(at port: UInt16, of name: String) throws(Failure) {
    for _ in 0..<500 {
      if isListening(at: port) { return }
      usleep(20_000)
    }
    throw Failure("\(name) does not listen at port \(port)")
  }

  /// Waits until the file `path` exists.
  ///
  /// - Throws: `Failure` if it does not within 10 seconds.
  static func waitForFile(_ path: String, of name: String) throws(Failure) {
    for _ in 0..<500 {
      if access(path, F_OK) == 0 { return }
      usleep(20_000)
    }
    throw Failure("\(name) did not create \(path)")
  }

  /// Reads /proc/net/tcp. Connecting instead would occupy a server that accepts only one connection.
  private static func isListening(at port: UInt16) -> Bool {
    let hexadecimal = String(port, radix: 16, uppercase: true)
    let local = ":" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
    let table = readText("/proc/net/tcp") ?? ""
    return table.split(separator: "\n").contains { line in
      let fields = line.split(separator: " ")
      return fields.count > 3 && fields[1].hasSuffix(local) && fields[3] == "0A"
    }
  }
}
