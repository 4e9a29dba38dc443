internal import Glibc

/// What this machine's kernel offers of vsock(7).
package enum Vsock {
  /// Why tests with connections are left out.
  package static let reason = "this kernel passes no vsock connection to itself"

  /// Whether sockets can listen.
  package static let exists: Bool = {
    let descriptor = listen()
    if descriptor >= 0 { close(descriptor) }
    return descriptor >= 0
  }()

  /// Whether this machine can connect to itself. Where the kernel has no loopback, connect(2) may
  /// wait for seconds, so it gets half a second.
  package static let hasLoopback: Bool = {
    let listening = listen()
    guard listening >= 0 else { return false }
    defer { close(listening) }
    var address = Address()
    var length = socklen_t(MemoryLayout<Address>.size)
    let isKnown = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getsockname(listening, $0, &length) == 0
      }
    }
    let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard isKnown, descriptor >= 0 else { return false }
    defer { close(descriptor) }
    address.machine = 1
    let status = address.withPointer { connect(descriptor, $0, $1) }
    guard status != 0 else { return true }
    guard errno == EINPROGRESS else { return false }
    var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    guard poll(&wait, 1, 500) == 1 else { return false }
    var error: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0
  }()

  private static let family: Int32 = 40

  /// A struct sockaddr_vm.
  private struct Address {
    var family = UInt16(Vsock.family)
    var reserved: UInt16 = 0
    var port = UInt32.max
    var machine = UInt32.max
    var flags: UInt32 = 0

    func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
      withUnsafePointer(to: self) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          body($0, socklen_t(MemoryLayout<Address>.size))
        }
      }
    }
  }

  /// A socket that listens at a free port; negative if there is none.
  private static func listen() -> Int32 {
    let descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return -1 }
    guard Address().withPointer({ bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, 1) == 0
    else {
      close(descriptor)
      return -1
    }
    return descriptor
  }
}
