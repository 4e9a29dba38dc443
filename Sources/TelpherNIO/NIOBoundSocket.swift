internal import NIOCore
internal import TelpherSockets
internal import TelpherTransport

/// A listening socket of this process. The loops that serve it take turns: one loop waits, accepts
/// the waiting connections, and then has the next loop wait.
///
/// Several NIO loops can't wait for one socket: if another loop has already accepted the reported
/// connection, NIO treats that as an error of its own.
final class NIOBoundSocket: BoundSocket {
  private struct Server {
    let loop: NIOLoop
    let listener: NIOLoopBound<NIOListener>
  }

  private struct State {
    /// The listeners of the socket, one for each loop.
    var servers: [Server] = []
    /// The index of the listener that has the turn, if there is any listener.
    var turn = 0
  }

  /// The underlying socket.
  let socket: ListeningSocket
  private let state = Monitor(State())

  /// Binds and listens. A client may connect before this returns.
  init(
    address: TelpherTransport.SocketAddress, backlog: Int32
  ) throws(TransportError) {
    socket = try ListeningSocket(address: address, backlog: backlog)
  }

  var address: TelpherTransport.SocketAddress { socket.address }

  func close() {
    socket.close()
  }

  /// Adds a listener. Returns whether the listener has the turn at once.
  func add(_ listener: NIOListener, on loop: NIOLoop) -> Bool {
    let server = Server(
      loop: loop, listener: NIOLoopBound(listener, eventLoop: loop.eventLoop))
    return state.withLock { state in
      state.servers.append(server)
      return state.servers.count == 1
    }
  }

  /// Removes the listener of `loop`. If it had the turn, the next listener gets it.
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

  /// Ends the turn of `loop`. Returns whether `loop` also has the next turn.
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
    // If the loop is ending, it drops this call. It then removes its listener, which passes the
    // turn on.
    server.loop.execute { server.listener.value.takeTurn() }
  }
}
