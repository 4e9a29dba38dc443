package import CTelpherSys
package import Glibc
package import TelpherTransport

/// The kind of a stream socket.
package enum SocketKind: Sendable {
  case unix
  case tcp
  case vsock

  /// The kind of a socket with this address.
  package init(_ address: SocketAddress) {
    switch address {
    case .unix: self = .unix
    case .tcp: self = .tcp
    case .vsock: self = .vsock
    }
  }
}

/// An address in the form of the system calls.
package struct SystemAddress {
  /// The address.
  package var storage = telpher_address()
  /// The kind of its sockets.
  package let kind: SocketKind

  /// The address family, socket(2).
  package var family: Int32 { withUnsafePointer(to: storage) { telpher_address_family($0) } }

  /// Converts `address`. Does not ask a name server.
  ///
  /// - Throws: `TransportError.Code.badAddress`. `what` names the operation in the message.
  package init(_ address: SocketAddress, _ what: String) throws(TransportError) {
    kind = SocketKind(address)
    switch address {
    case .unix(let path):
      guard !path.isEmpty, !path.utf8.contains(0) else {
        throw TransportError(.badAddress, "\(what): the path is empty or has a NUL byte")
      }
      guard telpher_unix_address(path, &storage) == 0 else {
        let limit = telpher_longest_unix_path()
        throw TransportError(
          .badAddress,
          "\(what): a Unix socket's path has at most \(limit) bytes, not \(path.utf8.count)",
          errno: ENAMETOOLONG)
      }
    case .tcp(let host, let port):
      let numeric = host == "localhost" ? "127.0.0.1" : host
      guard telpher_parse_address(numeric, Int32(port), &storage) == 0 else {
        throw TransportError(
          .badAddress, "\(what): the host is neither a numeric address nor localhost",
          errno: EINVAL)
      }
    case .vsock(let machine, let port):
      telpher_vsock_address(machine.rawValue, port, &storage)
    }
  }

  /// Makes a non-blocking stream socket for the address. Returns its descriptor, or a negated errno.
  package func makeSocket() -> Int32 {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let descriptor = socket(family, type, 0)
    return descriptor >= 0 ? descriptor : -errno
  }

  /// Calls `body` with the address as a `struct sockaddr` and its length.
  package func withSocketAddress<Result>(
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    withUnsafeBytes(of: storage.bytes) {
      body($0.assumingMemoryBound(to: sockaddr.self).baseAddress!, storage.length)
    }
  }
}

extension SystemAddress {
  /// Converts a UDP address.
  ///
  /// - Throws: As for a TCP address.
  package init(_ address: DatagramAddress, _ what: String) throws(TransportError) {
    try self.init(SocketAddress.tcp(host: address.host, port: address.port), what)
  }
}

extension DatagramAddress {
  /// Converts an IPv4 or IPv6 address that the system returned.
  package init(_ address: UnsafePointer<sockaddr>) {
    var copy = telpher_address()
    let isSix = Int32(address.pointee.sa_family) == AF_INET6
    let length = isSix ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
    withUnsafeMutableBytes(of: &copy.bytes) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: length))
    }
    copy.length = UInt32(length)
    self.init(host: hostText(copy), port: telpher_address_port(&copy))
  }
}

extension PeerIdentity {
  /// The peer of the connected socket `descriptor`, as far as the kernel reports it.
  package init(of kind: SocketKind, _ descriptor: Int32) {
    switch kind {
    case .unix: self.init(ofUnixSocket: descriptor)
    case .tcp: self.init(ofNetworkSocket: descriptor)
    case .vsock: self.init(ofVsock: descriptor)
    }
  }

  private init(ofVsock descriptor: Int32) {
    var (own, peer) = (telpher_address(), telpher_address())
    let isKnown =
      telpher_own_address(descriptor, &own) == 0 && telpher_peer_address(descriptor, &peer) == 0
    // An unknown machine is called `any`; its peer can't prove to have reached it.
    self = .vsock(
      isKnown ? VsockMachine(rawValue: telpher_vsock_cid(&peer)) : .any,
      reached: isKnown ? VsockMachine(rawValue: telpher_vsock_cid(&own)) : .any)
  }

  /// The peer of the TCP socket `descriptor`.
  private init(ofNetworkSocket descriptor: Int32) {
    var address = telpher_address()
    let isKnown = telpher_peer_address(descriptor, &address) == 0
    self = .network(
      address: isKnown ? hostText(address) : "unknown",
      isLoopback: isKnown && telpher_address_is_loopback(&address) != 0)
  }

  /// The peer of the Unix socket `descriptor`, as the kernel reports it: SO_PEERCRED, unix(7).
  private init(ofUnixSocket descriptor: Int32) {
    var (user, process): (UInt32, Int32) = (.max, 0)
    telpher_peer_credentials(descriptor, &user, &process)
    self = .user(uid: user, pid: process)
  }
}

/// The host of a TCP or UDP address as text.
private func hostText(_ address: telpher_address) -> String {
  withUnsafePointer(to: address) { address in
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
      telpher_address_host(address, text.baseAddress, text.count) == 0
        ? String(cString: text.baseAddress!) : "unknown"
    }
  }
}
