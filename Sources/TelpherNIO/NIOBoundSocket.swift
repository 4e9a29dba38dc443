internal import NIOCore
internal import TelpherSystem
internal import TelpherTransport

/// A listening socket of this process. NIO can't have several loops wait for one socket: it takes it
/// for a fault of its own when another has accepted what it was told of. So the loops that serve it
/// take turns: one of them waits, accepts what there is, and has the next one wait.
final class NIOBoundSocket: BoundSocket {
  private struct Server {
    let loop: NIOLoop
    let listener: NIOLoopBound<NIOListener>
  }

  private struct State {
    /// Who serves it.
    var servers: [Server] = []
    /// Whose turn it is, while there is any.
    var turn = 0
  }

  /// The socket itself.
  let socket: ListeningSocket
  private let state = Lock(State())

  /// Binds and listens. A connection may be waiting as soon as this returns.
  init(
    address: TelpherTransport.SocketAddress, backlog: Int32
  ) throws(TransportError) {
    socket = try ListeningSocket(address: address, backlog: backlog)
  }

  var address: TelpherTransport.SocketAddress { socket.address }

  func close() {
    socket.close()
  }

  /// Adds a listener. Returns whether it is its turn already.
  func add(_ listener: NIOListener, on loop: NIOLoop) -> Bool {
    let server = Server(
      loop: loop, listener: NIOLoopBound(listener, eventLoop: loop.eventLoop))
    return state.withLock { state in
      state.servers.append(server)
      return state.servers.count == 1
    }
  }

  /// Removes the listener of `loop`. Where it was its turn, it is the next one's.
  func removeListener(on loop: NIOLoop) {
    let next = state.withLock { state -> Server? in
      guard let index = state.servers.firstIndex(where: { $0.loop === loop }) else { return nil }
      let hadTurn = index == state.turn
      state.servers.remove(at: index)
      if index < state.turn { state.turn -= 1 }
      if state.turn >= state.servers.count { state.turn = 0 }
      return hadTurn && !state.servers.isEmpty ? state.servers[state.turn] : nil
    }
    if let next { Self.giveTurn(to: next) }
  }

  /// The turn of `loop` is over. Returns whether it has the next one as well.
  func passTurn(from loop: NIOLoop) -> Bool {
    let next = state.withLock { state -> Server? in
      guard state.servers.count > 1, state.servers[state.turn].loop === loop else { return nil }
      state.turn = (state.turn + 1) % state.servers.count
      return state.servers[state.turn]
    }
    guard let next else { return true }
    Self.giveTurn(to: next)
    return false
  }

  private static func giveTurn(to server: Server) {
    // A loop that ends drops this, and then removes its listener, with its turn.
    server.loop.execute { server.listener.value.takeTurn() }
  }
}
