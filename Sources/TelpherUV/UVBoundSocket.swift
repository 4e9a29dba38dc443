internal import CLibUV
internal import Glibc
internal import Synchronization
internal import TelpherTransport

/// A listening socket of this process. Loops accept from copies of its descriptor: one queue of
/// connections for all of them, for TCP and Unix sockets alike.
final class UVBoundSocket: BoundSocket {
  let address: SocketAddress
  /// How many connections the kernel keeps until they are accepted.
  let backlog: Int32
  /// Whether it is a Unix socket.
  let isUnix: Bool
  /// The descriptor; nil once closed.
  private let descriptor: Mutex<Int32?>
  /// The socket's file, as it was made here.
  private let file: UnixSocketFile?

  /// Binds and listens. A connection may be waiting as soon as this returns.
  init(address: SocketAddress, backlog: Int32) throws(TransportError) {
    let what = "listen on \(address)"
    var target = try SystemAddress(address, what)
    let descriptor = socket(
      target.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0
    )
    guard descriptor >= 0 else { throw UVStatus(-errno).error(what) }
    do throws(TransportError) {
      file = try Self.open(descriptor, &target, address, backlog, what)
    } catch {
      _ = Glibc.close(descriptor)
      throw error
    }
    self.address = Self.realAddress(of: descriptor, asked: address)
    self.backlog = backlog
    isUnix = target.isUnix
    self.descriptor = Mutex(descriptor)
  }

  deinit {
    close()
  }

  /// A copy of the descriptor, or an error below 0.
  func duplicate() -> Int32 {
    descriptor.withLock { descriptor in
      guard let descriptor else { return UV_EBADF.rawValue }
      return tuv_duplicate(descriptor, STDERR_FILENO + 1)
    }
  }

  func close() {
    let closed = descriptor.withLock { descriptor in
      defer { descriptor = nil }
      return descriptor
    }
    guard let closed else { return }
    // The file first: whoever finds it meanwhile would be connected to nobody.
    file?.remove()
    _ = Glibc.close(closed)
  }

  private static func open(
    _ descriptor: Int32, _ target: inout SystemAddress, _ address: SocketAddress,
    _ backlog: Int32, _ what: String
  ) throws(TransportError) -> UnixSocketFile? {
    if case .unix(let path) = address {
      return try UnixSocketFile(path: path, what) { () throws(UVStatus) in
        try listen(descriptor, &target, backlog)
      }
    }
    var yes: Int32 = 1
    setsockopt(
      descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout.size(ofValue: yes)))
    do { try listen(descriptor, &target, backlog) } catch { throw error.error(what) }
    return nil
  }

  private static func listen(
    _ descriptor: Int32, _ target: inout SystemAddress, _ backlog: Int32
  ) throws(UVStatus) {
    // The mode of a socket's file is that of the socket before it is bound, so that nobody else
    // can connect at any time.
    if target.isUnix { fchmod(descriptor, 0o600) }
    let status = tuv_bind(descriptor, &target.storage, target.length)
    guard status == 0 else { throw UVStatus(status) }
    guard Glibc.listen(descriptor, backlog) == 0 else { throw UVStatus(-errno) }
  }

  private static func realAddress(of descriptor: Int32, asked: SocketAddress) -> SocketAddress {
    var real = tuv_address()
    guard case .tcp(let host, _) = asked, tuv_own_address(descriptor, &real) == 0 else {
      return asked
    }
    return .tcp(host: host, port: tuv_port(&real))
  }
}
