package import TelpherTransport

/// A socket that a test controls, without Telpher's protocol: it keeps the bytes that arrive and how
/// they ended.
package actor PlainSocket {
  package nonisolated let loop: any EventLoop
  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    loop.asUnownedSerialExecutor()
  }

  /// What has arrived, if it is kept.
  private var chunks: [Chunk] = []
  /// The number of bytes that have arrived.
  package private(set) var count = 0
  /// How reading has ended: `.some(nil)` in order, else with the error. Nil before.
  package private(set) var end: TransportError??
  /// Whether a write has failed.
  package private(set) var hasFailed = false
  /// Whether each chunk is sent back, and the end passed on.
  private var echoes = false
  private var keepsBytes = true
  /// Whether a wait has lasted too long.
  private var isLate = false

  private var stream: (any ByteStream)?
  private var waiters: [CheckedContinuation<Void, Never>] = []

  private init(loop: any EventLoop) { self.loop = loop }

  /// Connects to `address`.
  package static func connect(
    to address: SocketAddress, on loop: any EventLoop
  ) async throws -> PlainSocket {
    let socket = PlainSocket(loop: loop)
    try await socket.open(address)
    return socket
  }

  /// Takes over a stream of `loop`. Call it on the loop's thread.
  package static func adopt(_ stream: any ByteStream, on loop: any EventLoop) -> PlainSocket {
    let socket = PlainSocket(loop: loop)
    nonisolated(unsafe) let stream = stream
    socket.assumeIsolated { $0.start(stream) }
    return socket
  }

  private func open(_ address: SocketAddress) async throws {
    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
      loop.connect(to: address) { result in
        switch result {
        case .success(let stream):
          self.start(stream)
          done.resume()
        case .failure(let error): done.resume(throwing: error)
        }
      }
    }
  }

  private func start(_ stream: any ByteStream) {
    self.stream = stream
    stream.onRead = { [self] chunk in assumeIsolated { $0.receive(chunk) } }
    stream.onEnd = { [self] error in assumeIsolated { $0.didEnd(error) } }
    stream.onWritable = { [self] in assumeIsolated { $0.didBecomeWritable() } }
    stream.onWriteFailure = { [self] _ in
      assumeIsolated {
        $0.hasFailed = true
        $0.wake()
      }
    }
    stream.resumeReading()
  }

  private func receive(_ chunk: Chunk) {
    count += chunk.count
    if keepsBytes { chunks.append(chunk.compacted()) }
    if echoes, stream?.write(UnsafeRawBufferPointer(start: nil, count: 0), chunk) == false {
      stream?.pauseReading()
    }
    wake()
  }

  private func didBecomeWritable() {
    if echoes { stream?.resumeReading() }
    wake()
  }

  private func didEnd(_ error: TransportError?) {
    end = .some(error)
    if echoes, error == nil { stream?.finishWriting() }
    wake()
  }

  private func wake() {
    let waiting = waiters
    waiters = []
    waiting.forEach { $0.resume() }
  }

  /// Sends back what arrives, without keeping it, and then passes the end on.
  package func echo() { (echoes, keepsBytes) = (true, false) }

  /// Sends `bytes`; what the peer has no room for is queued.
  package func send(_ bytes: [UInt8]) {
    stream?.write(UnsafeRawBufferPointer(start: nil, count: 0), Chunk(bytes))
  }

  /// Sends `text`.
  package func send(_ text: String) { send(Array(text.utf8)) }

  /// The number of sent bytes that the system has not taken.
  package var queuedBytes: Int { stream?.queuedBytes ?? 0 }

  package func finishWriting() { stream?.finishWriting() }
  package func pauseReading() { stream?.pauseReading() }
  package func resumeReading() { stream?.resumeReading() }

  package func close() {
    stream?.close()
    stream = nil
    wake()
  }

  /// Closes the socket with a reset.
  package func reset() {
    stream?.setResetsOnClose(true)
    close()
  }

  /// The bytes that have arrived, if they are kept.
  package var bytes: [UInt8] {
    let total = chunks.reduce(0) { $0 + $1.count }
    return [UInt8](unsafeUninitializedCapacity: total) { buffer, filled in
      for chunk in chunks {
        chunk.withUnsafeBytes {
          UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[filled...])
            .copyMemory(from: $0)
        }
        filled += chunk.count
      }
    }
  }

  /// The text that has arrived.
  package var text: String { String(decoding: bytes, as: UTF8.self) }
  /// Whether reading has ended in order.
  package var hasEndedInOrder: Bool { if case .some(.none) = end { true } else { false } }
  /// Whether the connection was reset.
  package var wasReset: Bool { if case .some(.some) = end { true } else { hasFailed } }

  /// Waits until `condition` is true; it is checked after each event. Gives up after 300 s, longer
  /// than anything takes on a busy machine.
  package func until(
    _ what: String, _ condition: @Sendable (isolated PlainSocket) -> Bool
  ) async throws {
    let timer = loop.schedule(after: 300_000_000_000) { [self] in
      assumeIsolated {
        $0.isLate = true
        $0.wake()
      }
    }
    defer { timer.cancel() }
    while !condition(self) {
      guard !isLate else {
        throw NotInTime(
          description: "\(what) did not come; \(count) bytes, end \(String(describing: end))")
      }
      await withCheckedContinuation { continuation in
        if condition(self) { continuation.resume() } else { waiters.append(continuation) }
      }
    }
  }

  /// Waits until reading has ended, in order or not.
  package func ended() async throws { try await until("the end") { $0.end != nil } }
}

/// A listening socket of a test that keeps the connections it accepts.
package actor PlainListener {
  package nonisolated let loop: any EventLoop
  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    loop.asUnownedSerialExecutor()
  }
  /// The address where it listens, with its actual port.
  package nonisolated let address: SocketAddress

  /// The accepted connections, in order.
  package private(set) var sockets: [PlainSocket] = []
  private let bound: any BoundSocket
  private var listener: (any Listener)?
  private let echoes: Bool
  private var waiters: [CheckedContinuation<Void, Never>] = []

  private init(_ bound: any BoundSocket, echoes: Bool, on loop: any EventLoop) {
    self.bound = bound
    self.loop = loop
    self.echoes = echoes
    address = bound.address
  }

  /// Listens at `address`.
  ///
  /// - Parameter echoes: whether each connection sends back what arrives.
  package static func start(
    at address: SocketAddress, on loop: any EventLoop, echoes: Bool = false
  ) async throws -> PlainListener {
    let bound = try await withCheckedThrowingContinuation {
      (done: CheckedContinuation<any BoundSocket, any Error>) in
      loop.execute {
        done.resume(with: Result { try loop.bind(to: address, backlog: 1_024) })
      }
    }
    let listener = PlainListener(bound, echoes: echoes, on: loop)
    try await listener.serve()
    return listener
  }

  private func serve() throws {
    listener = try loop.serve(bound) { [self] stream in
      nonisolated(unsafe) let stream = stream
      assumeIsolated { $0.accept(stream) }
    }
  }

  private func accept(_ stream: any ByteStream) {
    let socket = PlainSocket.adopt(stream, on: loop)
    if echoes { socket.assumeIsolated { $0.echo() } }
    sockets.append(socket)
    let waiting = waiters
    waiters = []
    waiting.forEach { $0.resume() }
  }

  /// Waits for the connection with that index, counted from 0.
  package func socket(_ index: Int = 0) async -> PlainSocket {
    while sockets.count <= index {
      await withCheckedContinuation { continuation in
        if sockets.count > index { continuation.resume() } else { waiters.append(continuation) }
      }
    }
    return sockets[index]
  }

  /// Closes the listener, the socket and all connections.
  package func stop() async {
    listener?.close()
    listener = nil
    bound.close()
    for socket in sockets { await socket.close() }
  }
}
