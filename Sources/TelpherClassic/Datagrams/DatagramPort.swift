internal import TelpherTransport

/// A UDP socket for requests to one server. For one caller at a time, on the loop.
final class DatagramPort {
  private let loop: any EventLoop
  private let server: DatagramAddress
  private var socket: (any DatagramSocket)?
  private var received: [Chunk] = []
  private let bell = Bell()

  /// The most datagrams that wait to be read. Further ones are dropped.
  private static let longestQueue = 64

  /// Opens a socket at a free port. If the server is on a loopback address, the socket is too, so
  /// that other machines cannot reach it.
  ///
  /// - Throws: `TransportError` if the socket cannot be opened.
  init(to server: DatagramAddress, on loop: any EventLoop) throws(TransportError) {
    self.loop = loop
    self.server = server
    let isSix = server.host.contains(":")
    let staysHere = Host.isLoopback(server.host)
    let host = isSix ? (staysHere ? "::1" : "::") : (staysHere ? "127.0.0.1" : "0.0.0.0")
    socket = try loop.openDatagramSocket(at: DatagramAddress(host: host, port: 0)) {
      [weak self] payload, sender in self?.receive(payload, from: sender)
    }
  }

  /// Sends `payload`. Datagrams that arrived before are dropped: they are not answers to it.
  func ask(_ payload: [UInt8]) throws(TransportError) {
    received = []
    try socket?.send(Chunk(payload), to: server)
  }

  /// The next datagram from the server.
  ///
  /// - Throws: `ClassicError` (`silent`) if none arrives within that many nanoseconds.
  func answer(within nanoseconds: UInt64) async throws(ClassicError) -> Chunk {
    var isOver = false
    let timer = loop.schedule(after: nanoseconds) { [weak self] in
      isOver = true
      self?.bell.ring()
    }
    defer { timer.cancel() }
    while received.isEmpty {
      guard !isOver, socket != nil else {
        let seconds = nanoseconds / 1_000_000_000
        throw ClassicError(.silent, "\(server) did not answer within \(seconds) s")
      }
      await bell.wait()
    }
    return received.removeFirst()
  }

  func close() {
    socket?.close()
    socket = nil
    bell.ring()
  }

  private func receive(_ payload: Chunk, from sender: DatagramAddress) {
    // Any program may send to this socket. A server at `localhost` answers from its numeric
    // address.
    guard sender.port == server.port, sender.host == server.host || Host.isLoopback(server.host),
      received.count < Self.longestQueue
    else { return }
    received.append(payload)
    bell.ring()
  }
}
