internal import Glibc
package import TelpherTransport

/// The state that several `MemoryLoop`s share: bound addresses, registered programs and planned
/// faults. Networks are isolated from each other.
///
/// All methods may be called from any thread.
package final class MemoryNetwork: Sendable {
  /// How streams behave.
  package struct Options: Sendable {
    /// The capacity in bytes of each direction of a stream, like a socket's buffer. When it is
    /// full, the stream queues further writes.
    package var pipeCapacity = 64 * 1024
    /// The most bytes that one read returns. With 1, a parser receives one byte at a time.
    package var maximumRead = Int.max

    /// The defaults.
    package init() {}
  }

  /// How streams behave.
  package let options: Options
  private let state = Monitor(State())

  /// A network without listeners, with the built-in programs.
  package init(options: Options = Options()) {
    precondition(options.pipeCapacity > 0 && options.maximumRead > 0, "no byte would ever pass")
    self.options = options
    for (name, program) in MemoryProgram.builtIns { register(name, program) }
  }

  // MARK: Faults

  /// Makes the next connection break once `bytes` bytes have gone in `direction` (as seen from the
  /// connecting end), as `MemoryStream.cut` does. Several calls apply to as many connections, in
  /// order.
  package func cutNextConnection(_ direction: MemoryDirection, after bytes: Int) {
    state.withLock { $0.cuts.append((direction, bytes)) }
  }

  /// Sets the peer's identity that the accepting end of later connections sees; nil for the one
  /// that a real system would report.
  package func setPeer(_ peer: PeerIdentity?) {
    state.withLock { $0.peer = peer }
  }

  /// Sets the peer's identity that the connecting end of later connections sees; nil for the one
  /// that a real system would report.
  package func setListeningPeer(_ peer: PeerIdentity?) {
    state.withLock { $0.listeningPeer = peer }
  }

  /// Delivers a signal to the watches of all loops, as if this process had received it.
  package func raise(_ signal: Int32) {
    let wakers = state.withLock { $0.watches.filter { $0.signal == signal } }
    for watch in wakers { watch.waker() }
  }

  // MARK: Programs

  /// Registers `program` as the one that `SpawnRequest`s for `name` start. A later registration
  /// replaces an earlier one.
  package func register(_ name: String, _ program: MemoryProgram) {
    state.withLock { $0.programs[name] = program }
  }

  /// The program of that name. The prefixes `/bin/` and `/usr/bin/` are ignored.
  func program(_ name: String) -> MemoryProgram? {
    state.withLock { state in
      if let program = state.programs[name] { return program }
      for folder in ["/bin/", "/usr/bin/"] where name.hasPrefix(folder) {
        return state.programs[String(name.dropFirst(folder.count))]
      }
      return nil
    }
  }

  /// Returns a process id that no real process has (real ones end at 4194304), so that a real
  /// signal that a test sends by mistake reaches no process.
  func makeProcessID() -> Int32 {
    state.withLock { state in
      state.lastProcess += 1
      return state.lastProcess
    }
  }

  // MARK: Signal watches

  func addWatch(_ signal: Int32, _ waker: MemoryWaker) {
    state.withLock { $0.watches.append((signal, waker)) }
  }

  func removeWatch(_ waker: MemoryWaker) {
    state.withLock { state in
      state.watches.removeAll { $0.waker.loop === waker.loop && $0.waker.handle == waker.handle }
    }
  }

  // MARK: Addresses

  /// Binds an address, with a free port for port 0.
  func bind(_ address: SocketAddress, backlog: Int) throws(TransportError) -> MemoryBoundSocket {
    try address.check(for: "listen on")
    let socket = state.withLock { state -> MemoryBoundSocket? in
      let address = state.resolvePort(of: address)
      guard let address, state.sockets[address.key] == nil else { return nil }
      let socket = MemoryBoundSocket(address: address, backlog: backlog, network: self)
      state.sockets[address.key] = socket
      return socket
    }
    if let socket { return socket }
    throw TransportError(
      .addressInUse, "listen on \(address): address in use", errno: EADDRINUSE)
  }

  /// Gives an address back.
  func release(_ socket: MemoryBoundSocket) {
    state.withLock { state in
      guard state.sockets[socket.address.key] === socket else { return }
      state.sockets[socket.address.key] = nil
    }
  }

  /// Creates a connection, passes one end to the listener and returns the other.
  func connect(to address: SocketAddress) throws(TransportError) -> MemoryEndpoint {
    try address.check(for: "connect to")
    let (socket, cut, peer, listener) = state.withLock { state in
      let socket = state.socket(for: address)
      let cut = socket == nil || state.cuts.isEmpty ? nil : state.cuts.removeFirst()
      return (socket, cut, state.peer, state.listeningPeer)
    }
    var (ours, theirs) = MemoryEndpoint.pair(
      to: address, capacity: options.pipeCapacity, connectorIs: peer)
    if let listener { ours.peer = listener }
    if let (direction, bytes) = cut {
      switch direction {
      case .reading: ours.incoming?.cut(after: bytes)
      case .writing: ours.outgoing?.cut(after: bytes)
      }
    }
    if let socket, socket.offer(theirs) { return ours }
    let isUnix = if case .unix = address { true } else { false }
    throw TransportError(
      .unreachable, "connect to \(address): no process listens there",
      errno: isUnix && socket == nil ? ENOENT : ECONNREFUSED)
  }
}

extension MemoryNetwork {
  /// Delivers datagrams for `address` to `inbox`. Returns the address with its actual port.
  func bindDatagrams(
    _ address: DatagramAddress, _ inbox: MemoryDatagramInbox
  ) throws(TransportError) -> DatagramAddress {
    try address.check(for: "open")
    let bound = state.withLock { state -> DatagramAddress? in
      var key = address.key
      if key.port == 0 {
        let taken = state.datagramInboxes
        let port = state.freePort { taken[DatagramAddress(host: key.host, port: $0)] == nil }
        guard let port else { return nil }
        key.port = port
      }
      guard state.datagramInboxes[key] == nil else { return nil }
      state.datagramInboxes[key] = inbox
      return DatagramAddress(host: address.host, port: key.port)
    }
    if let bound { return bound }
    throw TransportError(.addressInUse, "open \(address): address in use", errno: EADDRINUSE)
  }

  /// Gives an address back.
  func releaseDatagrams(_ address: DatagramAddress, _ inbox: MemoryDatagramInbox) {
    state.withLock { state in
      guard state.datagramInboxes[address.key] === inbox else { return }
      state.datagramInboxes[address.key] = nil
    }
  }

  /// The inbox that receives datagrams for `address`, if any.
  func inbox(for address: DatagramAddress) -> MemoryDatagramInbox? {
    state.withLock { state in
      state.datagramInboxes[address.key]
        ?? state.datagramInboxes[DatagramAddress(host: "0.0.0.0", port: address.port)]
        ?? state.datagramInboxes[DatagramAddress(host: "::", port: address.port)]
    }
  }
}

extension MemoryNetwork {
  private struct State {
    var sockets: [SocketAddress: MemoryBoundSocket] = [:]
    var datagramInboxes: [DatagramAddress: MemoryDatagramInbox] = [:]
    var programs: [String: MemoryProgram] = [:]
    var cuts: [(MemoryDirection, Int)] = []
    var watches: [(signal: Int32, waker: MemoryWaker)] = []
    var peer: PeerIdentity?
    var listeningPeer: PeerIdentity?
    var lastProcess: Int32 = 5_000_000
    var lastPort: UInt16 = 49151

    /// `address` with a free port instead of port 0; nil if no port is free.
    mutating func resolvePort(of address: SocketAddress) -> SocketAddress? {
      let make: (UInt16) -> SocketAddress
      switch address {
      case .tcp(let host, 0): make = { .tcp(host: host, port: $0) }
      case .vsock(let machine, 0): make = { .vsock(machine, port: UInt32($0)) }
      case .unix, .tcp, .vsock: return address
      }
      let taken = sockets
      return freePort { taken[make($0).key] == nil }.map(make)
    }

    /// A port of the dynamic range for which `isFree` returns true.
    mutating func freePort(_ isFree: (UInt16) -> Bool) -> UInt16? {
      for _ in 49152...65535 {
        lastPort = lastPort == 65535 ? 49152 : lastPort + 1
        if isFree(lastPort) { return lastPort }
      }
      return nil
    }

    /// The socket that listens on `address`, or else on the same port of a wildcard address.
    func socket(for address: SocketAddress) -> MemoryBoundSocket? {
      if let socket = sockets[address.key] { return socket }
      switch address {
      case .unix: return nil
      case .tcp(_, let port):
        return sockets[.tcp(host: "0.0.0.0", port: port)] ?? sockets[.tcp(host: "::", port: port)]
      case .vsock(_, let port): return sockets[.vsock(.any, port: port)]
      }
    }
  }
}

extension SocketAddress {
  /// The address under which a network stores a listener: `localhost` becomes its number.
  var key: SocketAddress {
    if case .tcp("localhost", let port) = self { return .tcp(host: "127.0.0.1", port: port) }
    return self
  }

  /// Refuses what a real system would.
  func check(for purpose: String) throws(TransportError) {
    switch key {
    case .unix(let path):
      // sockaddr_un holds 107 bytes and a NUL (unix(7)).
      guard path.isEmpty || path.utf8.count > 107 else { return }
      throw TransportError(
        .badAddress, "\(purpose) \(self): a path has 1 to 107 bytes", errno: ENAMETOOLONG)
    case .tcp(let host, _):
      guard isNumeric(host) else {
        throw TransportError(.badAddress, "\(purpose) \(self): not an address", errno: EINVAL)
      }
    case .vsock: break
    }
  }
}

extension DatagramAddress {
  /// The address under which a network stores an inbox: `localhost` becomes its number.
  var key: DatagramAddress {
    host == "localhost" ? DatagramAddress(host: "127.0.0.1", port: port) : self
  }

  /// Refuses what a real system would.
  func check(for purpose: String) throws(TransportError) {
    guard isNumeric(key.host) else {
      throw TransportError(.badAddress, "\(purpose) \(self): not an address", errno: EINVAL)
    }
  }
}

private func isNumeric(_ host: String) -> Bool {
  var address = in6_addr()
  return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1
}
