internal import TelpherTransport

/// A listening socket of a `MemoryNetwork`.
final class MemoryBoundSocket: BoundSocket {
  let address: SocketAddress
  /// Weak, since the network retains the socket until it is closed.
  private weak let network: MemoryNetwork?
  private let state: Monitor<State>

  private struct State {
    let backlog: Int
    /// Connections that no loop has taken yet.
    var waiting: [MemoryEndpoint] = []
    var servers: [MemoryWaker] = []
    var next = 0
    var isClosed = false

    /// The next loop, in round-robin order.
    mutating func nextServer() -> MemoryWaker? {
      guard !servers.isEmpty else { return nil }
      next = (next + 1) % servers.count
      return servers[next]
    }
  }

  init(address: SocketAddress, backlog: Int, network: MemoryNetwork) {
    self.address = address
    self.network = network
    state = Monitor(State(backlog: max(backlog, 1)))
  }

  /// Queues a connection and wakes the next loop. Returns false if the connection is refused.
  func offer(_ endpoint: MemoryEndpoint) -> Bool {
    let (isTaken, server) = state.withLock { state -> (Bool, MemoryWaker?) in
      guard !state.isClosed, state.waiting.count < state.backlog else { return (false, nil) }
      state.waiting.append(endpoint)
      return (true, state.nextServer())
    }
    server?()
    return isTaken
  }

  /// Removes and returns the connection that has waited longest.
  func accept() -> MemoryEndpoint? {
    state.withLock { $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }
  }

  /// Adds `server` to the loops that are woken in round-robin order, and wakes it once for each
  /// waiting connection.
  func addServer(_ server: MemoryWaker) throws(TransportError) {
    let waiting = state.withLock { state -> Int? in
      guard !state.isClosed else { return nil }
      state.servers.append(server)
      return state.waiting.count
    }
    guard let waiting else {
      throw TransportError(.badAddress, "serve \(address): the socket is closed")
    }
    for _ in 0..<waiting { server() }
  }

  /// Removes `server` and wakes the other loops for the connections that it was woken for but did
  /// not accept.
  func removeServer(_ server: MemoryWaker) {
    let wakers = state.withLock { state in
      state.servers.removeAll { $0.loop === server.loop && $0.handle == server.handle }
      return state.waiting.compactMap { _ in state.nextServer() }
    }
    for waker in wakers { waker() }
  }

  func close() {
    let refused = state.withLock { state in
      defer {
        state.waiting = []
        state.isClosed = true
      }
      return state.waiting
    }
    for endpoint in refused {
      endpoint.incoming?.sever()
      endpoint.outgoing?.sever()
    }
    network?.release(self)
  }
}

/// One `MemoryLoop`'s listener on a bound socket.
final class MemoryListener: Listener, MemoryHandle {
  private let loop: MemoryLoop
  private let socket: MemoryBoundSocket
  private var didAccept: ((any ByteStream) -> Void)?
  private var handle = 0
  private var pauseTimer: (any LoopTimer)?
  /// How many connections have come during the pause.
  private var waiting = 0
  private var isSuspended = false

  init(
    _ socket: MemoryBoundSocket, on loop: MemoryLoop, didAccept: @escaping (any ByteStream) -> Void
  ) throws(TransportError) {
    self.loop = loop
    self.socket = socket
    self.didAccept = didAccept
    handle = loop.add(self)
    do throws(TransportError) {
      try socket.addServer(MemoryWaker(loop: loop, handle: handle))
    } catch {
      loop.remove(handle)
      throw error
    }
  }

  func pause(for nanoseconds: UInt64) {
    loop.checkIsolated()
    guard pauseTimer == nil, didAccept != nil else { return }
    pauseTimer = loop.schedule(after: nanoseconds) { [self] in
      pauseTimer = nil
      // One of them may begin the next pause.
      for _ in 0..<waiting where pauseTimer == nil {
        waiting -= 1
        didWake()
      }
    }
  }

  func suspend() {
    loop.checkIsolated()
    guard !isSuspended, didAccept != nil else { return }
    isSuspended = true
    socket.removeServer(MemoryWaker(loop: loop, handle: handle))
  }

  func resume() {
    loop.checkIsolated()
    guard isSuspended, didAccept != nil else { return }
    isSuspended = false
    // It fails only if the socket was closed; then no connections come.
    try? socket.addServer(MemoryWaker(loop: loop, handle: handle))
  }

  func didWake() {
    guard !isSuspended else { return }
    guard pauseTimer == nil else {
      waiting += 1
      return
    }
    guard let didAccept, let endpoint = socket.accept() else { return }
    didAccept(MemoryStream(endpoint, on: loop))
  }

  func close() {
    loop.checkIsolated()
    guard didAccept != nil else { return }
    didAccept = nil
    pauseTimer?.cancel()
    pauseTimer = nil
    if !isSuspended { socket.removeServer(MemoryWaker(loop: loop, handle: handle)) }
    loop.remove(handle)
  }

  func shutDown() { close() }
}
