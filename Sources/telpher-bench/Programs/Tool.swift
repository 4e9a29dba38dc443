internal import Glibc

/// Programs that may or may not be installed.
enum Tool {
  /// Where `name` is, on PATH or where daemons are; nil where it is not installed.
  static func find(_ name: String) -> String? {
    let path = getenv("PATH").map { String(cString: $0) } ?? ""
    let folders = path.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin"]
    return folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
  }

  /// A port of 127.0.0.1 that nobody uses at the moment, for programs that can't choose one.
  ///
  /// - Throws: `Failure` where none is to be had.
  static func freePort() throws(Failure) -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw Failure("no socket is to be had") }
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
    guard isBound else { throw Failure("no port is to be had") }
    return UInt16(bigEndian: address.sin_port)
  }

  /// Waits until somebody accepts connections at `port` of 127.0.0.1.
  ///
  /// - Throws: `Failure` where nobody does for 10 s.
  static func waitForListener(at port: UInt16, of name: String) throws(Failure) {
    for _ in 0..<500 {
      if isListening(at: port) { return }
      usleep(20_000)
    }
    throw Failure("\(name) does not listen at port \(port)")
  }

  /// Waits until the file `path` is there.
  ///
  /// - Throws: `Failure` where it is not after 10 s.
  static func waitForFile(_ path: String, of name: String) throws(Failure) {
    for _ in 0..<500 {
      if access(path, F_OK) == 0 { return }
      usleep(20_000)
    }
    throw Failure("\(name) did not make \(path)")
  }

  /// From the kernel's table, since a connection would be served.
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
