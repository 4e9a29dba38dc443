internal import CTelpherSys
internal import Glibc
package import TelpherTransport

/// A listening socket of this process. Each loop accepts from a copy of its descriptor, so all
/// loops share one queue of connections.
package final class ListeningSocket: BoundSocket {
  package let address: SocketAddress
  /// How many connections the kernel queues until they are accepted.
  package let backlog: Int32
  /// The kind of its connections.
  package let kind: SocketKind
  /// The descriptor. Nil after `close()`.
  private let descriptor: Monitor<Int32?>
  /// Whether the file is removed when the socket is closed.
  private let ownsFile: Monitor<Bool>
  /// The file of a Unix socket. Nil for others.
  private let file: UnixSocketFile?

  /// Binds and listens. A client may connect before this returns.
  package init(address: SocketAddress, backlog: Int32) throws(TransportError) {
    let what = "listen on \(address)"
    var target = try SystemAddress(address, what)
    let descriptor = target.makeSocket()
    guard descriptor >= 0 else { throw TransportError(what, errno: -descriptor) }
    do throws(TransportError) {
      file = try Self.open(descriptor, &target, address, backlog, what)
    } catch {
      _ = Glibc.close(descriptor)
      throw error
    }
    self.address = Self.realAddress(of: descriptor, asked: address)
    self.backlog = backlog
    kind = target.kind
    self.descriptor = Monitor(descriptor)
    ownsFile = Monitor(true)
  }

  /// Takes over a listening socket of another process. Owns `descriptor` from now on, but not the
  /// file of a Unix socket: see `setOwnsFile`.
  ///
  /// - Parameter file: the file of a Unix socket; nil for others.
  package init(
    adopting descriptor: Int32, at address: SocketAddress, backlog: Int32, file: SocketFileIdentity?
  ) {
    self.address = address
    self.backlog = backlog
    kind = SocketKind(address)
    if case .unix(let path) = address {
      self.file = file.map { UnixSocketFile(path: path, identity: $0) }
    } else {
      self.file = nil
    }
    self.descriptor = Monitor(descriptor)
    ownsFile = Monitor(false)
  }

  deinit {
    close()
  }

  /// The file of a Unix socket; nil for others.
  package var fileIdentity: SocketFileIdentity? { file?.identity }

  /// Sets whether `close()` removes the file of a Unix socket: one process owns it.
  package func setOwnsFile(_ owns: Bool) { ownsFile.withLock { $0 = owns } }

  /// Returns a copy of the descriptor, or a negated errno.
  package func duplicate() -> Int32 {
    descriptor.withLock { descriptor in
      guard let descriptor else { return -EBADF }
      return telpher_duplicate(descriptor, STDERR_FILENO + 1)
    }
  }

  /// Sets the socket's backlog again after other code has changed it.
  package func listenAgain() {
    descriptor.withLock { if let descriptor = $0 { _ = Glibc.listen(descriptor, backlog) } }
  }

  package func close() {
    let closed = descriptor.withLock { descriptor in
      defer { descriptor = nil }
      return descriptor
    }
    guard let closed else { return }
    // Remove the file first: a client that finds it after the close would be refused.
    if ownsFile.withLock({ $0 }) { file?.remove() }
    _ = Glibc.close(closed)
  }

  /// Accepts and closes the waiting connections. For a caller that ran out of descriptors and has
  /// just closed a spare one.
  package func closeWaitingConnections() {
    descriptor.withLock { descriptor in
      guard let descriptor else { return }
      while true {
        let accepted = telpher_accept(descriptor)
        guard accepted >= 0 else { return }
        _ = Glibc.close(accepted)
      }
    }
  }

  private static func open(
    _ descriptor: Int32, _ target: inout SystemAddress, _ address: SocketAddress,
    _ backlog: Int32, _ what: String
  ) throws(TransportError) -> UnixSocketFile? {
    if case .unix(let path) = address {
      return try UnixSocketFile(path: path, what) { () throws(ErrorNumber) in
        try listen(descriptor, &target, backlog)
      }
    }
    var yes: Int32 = 1
    setsockopt(
      descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout.size(ofValue: yes)))
    do { try listen(descriptor, &target, backlog) } catch {
      throw TransportError(what, errno: error.value)
    }
    return nil
  }

  private static func listen(
    _ descriptor: Int32, _ target: inout SystemAddress, _ backlog: Int32
  ) throws(ErrorNumber) {
    // The socket file gets the mode that the socket has before it is bound. So no other user can
    // connect at any time.
    if target.kind == .unix { fchmod(descriptor, 0o600) }
    let status = telpher_bind(descriptor, &target.storage)
    guard status == 0 else { throw ErrorNumber(-status) }
    guard Glibc.listen(descriptor, backlog) == 0 else { throw ErrorNumber(errno) }
  }

  private static func realAddress(of descriptor: Int32, asked: SocketAddress) -> SocketAddress {
    var real = telpher_address()
    guard telpher_own_address(descriptor, &real) == 0 else { return asked }
    return switch asked {
    case .unix: asked
    case .tcp(let host, _): .tcp(host: host, port: telpher_address_port(&real))
    case .vsock(let machine, _): .vsock(machine, port: telpher_vsock_port(&real))
    }
  }
}
