package import TelpherTransport

/// Passes connections on to another address, and delays what each side sends: a link over a long
/// distance. Only memory bounds what is in transit.
package actor DelayingProxy {
  package nonisolated let loop: any EventLoop
  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    loop.asUnownedSerialExecutor()
  }

  /// Something that one side has sent.
  private enum Piece {
    case bytes(Chunk)
    /// The end, with an error or in order.
    case end(TransportError?)
  }

  /// One direction of a connection.
  private final class Direction {
    let from: any ByteStream
    let to: any ByteStream
    var pieces: [Piece] = []
    init(from: any ByteStream, to: any ByteStream) {
      self.from = from
      self.to = to
    }
  }

  private let target: SocketAddress
  private let delay: UInt64
  /// After how many bytes of both sides everything is cut; nil for never.
  private let cutAfter: Int?
  private var passed = 0
  private var listener: (any Listener)?
  /// Where it listens, with the actual port.
  package private(set) var address: SocketAddress
  private var directions: [Direction] = []

  private init(
    address: SocketAddress, target: SocketAddress, delay: UInt64, cutAfter: Int?,
    loop: any EventLoop
  ) {
    self.cutAfter = cutAfter
    self.address = address
    self.target = target
    self.delay = delay
    self.loop = loop
  }

  /// Starts a proxy on `loop` that listens at `address` and passes connections on to `target`, each
  /// direction `delay` nanoseconds later. After `cutAfter` bytes, of both sides of all connections
  /// together, it closes all of them and passes nothing on any more.
  package static func start(
    at address: SocketAddress, to target: SocketAddress, delay: UInt64 = 0, cutAfter: Int? = nil,
    on loop: any EventLoop
  ) async throws -> DelayingProxy {
    let proxy = DelayingProxy(
      address: address, target: target, delay: delay, cutAfter: cutAfter, loop: loop)
    try await proxy.listen()
    return proxy
  }

  private func listen() throws {
    let socket = try loop.bind(to: address, backlog: 16)
    address = socket.address
    listener = try loop.serve(socket) { [self] stream in
      nonisolated(unsafe) let stream = stream
      assumeIsolated { $0.accept(stream) }
    }
  }

  /// Closes the listener and all connections.
  package func stop() {
    listener?.close()
    listener = nil
    for direction in directions { direction.from.close() }
    directions = []
  }

  /// Whether it has cut its connections.
  package var hasCut: Bool { cutAfter.map { passed >= $0 } ?? false }

  private func accept(_ client: any ByteStream) {
    nonisolated(unsafe) let client = client
    loop.connect(to: target) { [self] result in
      nonisolated(unsafe) let result = result
      assumeIsolated { proxy in
        guard case .success(let server) = result, proxy.listener != nil else {
          return client.close()
        }
        proxy.pass(from: client, to: server)
        proxy.pass(from: server, to: client)
      }
    }
  }

  private func pass(from: any ByteStream, to: any ByteStream) {
    let direction = Direction(from: from, to: to)
    directions.append(direction)
    from.onRead = { [self] chunk in
      nonisolated(unsafe) let direction = direction
      let chunk = chunk.compacted()
      assumeIsolated { $0.take(.bytes(chunk), of: direction) }
    }
    from.onEnd = { [self] error in
      nonisolated(unsafe) let direction = direction
      assumeIsolated { $0.take(.end(error), of: direction) }
    }
    from.resumeReading()
  }

  private func take(_ piece: Piece, of direction: Direction) {
    guard !hasCut else { return }
    if case .bytes(let chunk) = piece {
      passed += chunk.count
      // The last of the bytes are not passed on.
      guard !hasCut else { return stop() }
    }
    direction.pieces.append(piece)
    nonisolated(unsafe) let direction = direction
    _ = loop.schedule(after: delay) { [self] in
      assumeIsolated {
        guard !direction.pieces.isEmpty, !$0.hasCut else { return }
        switch direction.pieces.removeFirst() {
        case .bytes(let chunk):
          direction.to.write(UnsafeRawBufferPointer(start: nil, count: 0), chunk)
        case .end(nil): direction.to.finishWriting()
        case .end: direction.to.close()
        }
      }
    }
  }
}
