package import TelpherTransport

/// One end of a connection that a test controls byte by byte: it sends any bytes, valid frames or
/// not, and keeps the frames that arrive.
package actor RawPeer {
  /// The error if an expected frame does not arrive; it lists the frames that did.
  package struct Missing: Error, CustomStringConvertible {
    package let description: String

    /// Creates an error with this description.
    package init(description: String) { self.description = description }
  }

  package nonisolated let loop: any EventLoop
  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    loop.asUnownedSerialExecutor()
  }

  /// The frames that have arrived, in order.
  package private(set) var frames: [RawFrame] = []
  /// Whether the other end has ended its side or closed the connection.
  package private(set) var hasEnded = false
  /// Whether it answers the link's keep-alive PINGs.
  private var answersPings = true
  /// The number of bytes that have arrived.
  package private(set) var receivedBytes = 0
  /// The number of payload bytes that have arrived in DATA frames.
  package private(set) var dataBytes = 0

  private var stream: (any ByteStream)?
  private var bytes: [UInt8] = []
  private var sawPreface = false
  private var waiters: [Int: CheckedContinuation<Bool, Never>] = [:]
  private var lastWaiter = 0

  private init(loop: any EventLoop) { self.loop = loop }

  /// How long to wait for a frame, in nanoseconds: longer than anything takes on a busy machine.
  static let patience: UInt64 = 300_000_000_000

  package static func connect(to address: SocketAddress, on loop: any EventLoop) async throws
    -> RawPeer
  {
    let peer = RawPeer(loop: loop)
    try await peer.open(address)
    return peer
  }

  /// Creates a peer over a stream of `loop`. Call it on the loop's thread.
  package static func adopt(_ stream: any ByteStream, on loop: any EventLoop) -> RawPeer {
    let peer = RawPeer(loop: loop)
    nonisolated(unsafe) let stream = stream
    peer.assumeIsolated { $0.start(stream) }
    return peer
  }

  /// Creates a peer over an open socket, which it then owns.
  package static func adopt(_ socket: Int32, on loop: any EventLoop) async throws -> RawPeer {
    let peer = RawPeer(loop: loop)
    try await peer.adopt(socket)
    return peer
  }

  private func adopt(_ socket: Int32) throws {
    start(try loop.adopt(reading: socket, writing: socket))
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
    stream.onRead = { [self] chunk in
      let chunk = chunk
      assumeIsolated { $0.receive(chunk) }
    }
    stream.onEnd = { [self] _ in assumeIsolated { $0.didEnd() } }
    stream.resumeReading()
  }

  private func receive(_ chunk: Chunk) {
    receivedBytes += chunk.count
    bytes.append(contentsOf: chunk)
    if !sawPreface, bytes.count >= 8 {
      sawPreface = true
      bytes.removeFirst(8)
    }
    while sawPreface, let frame = RawFrame.take(from: &bytes) {
      if frame.type == 3 { dataBytes += frame.payload.count }
      // PING 0 is a keep-alive. Answer it: on a busy machine a test may be silent for a long time.
      if frame.type == 8, number(frame.payload) == 0, answersPings {
        send(RawFrame(type: 9, payload: frame.payload).bytes)
      }
      frames.append(frame)
    }
    wake()
  }

  private func didEnd() {
    hasEnded = true
    wake()
  }

  private func wake() {
    let waiting = waiters
    waiters = [:]
    waiting.values.forEach { $0.resume(returning: true) }
  }

  // MARK: Sending

  package func send(_ bytes: [UInt8]...) {
    stream?.write(UnsafeRawBufferPointer(start: nil, count: 0), Chunk(bytes.flatMap { $0 }))
  }

  package func ignorePings() { answersPings = false }
  package func finishWriting() { stream?.finishWriting() }
  package func pauseReading() { stream?.pauseReading() }
  package func resumeReading() { stream?.resumeReading() }
  /// The number of sent bytes that still wait because the other end has no room for them.
  package var queuedBytes: Int { stream?.queuedBytes ?? 0 }

  package func close() {
    stream?.close()
    stream = nil
    didEnd()
  }

  // MARK: Waiting

  /// Waits until `isThere` is true.
  ///
  /// - Throws: `Missing` after 300 s.
  package func until(
    _ what: String = "it", _ isThere: @Sendable (isolated RawPeer) -> Bool
  ) async throws {
    while !isThere(self) {
      lastWaiter += 1
      let number = lastWaiter
      let timer = loop.schedule(after: Self.patience) { [self] in
        assumeIsolated { _ = $0.waiters.removeValue(forKey: number)?.resume(returning: false) }
      }
      // Check again: a task that does not prefer the loop may run this closure one turn later.
      let isWoken = await withCheckedContinuation { continuation in
        if isThere(self) {
          continuation.resume(returning: true)
        } else {
          waiters[number] = continuation
        }
      }
      timer.cancel()
      guard isWoken else { throw Missing(description: "\(what) did not come: \(frames)") }
    }
  }

  /// Waits for the first frame of a type on a stream and returns it.
  @discardableResult
  package func frame(_ type: UInt8, _ stream: UInt32 = 0) async throws -> RawFrame {
    try await until("frame \(type) of stream \(stream)") { peer in
      peer.frames.contains { $0.type == type && $0.stream == stream } || peer.hasEnded
    }
    guard let frame = frames.first(where: { $0.type == type && $0.stream == stream }) else {
      throw Missing(description: "the end came before frame \(type) of \(stream): \(frames)")
    }
    return frame
  }

  /// Waits for the CLOSE of a stream and returns its JSON.
  package func result(_ stream: UInt32) async throws -> String { try await frame(6, stream).text }

  package func end() async throws { try await until("the end") { $0.hasEnded } }

  /// Sends a PING and waits for its PONG; the peer has then handled everything that was sent
  /// before.
  package func sync(_ number: UInt64 = .random(in: 1...UInt64.max)) async throws {
    send(ping(number))
    let payload = big(number)
    try await until("PONG") { peer in
      peer.hasEnded || peer.frames.contains { $0.type == 9 && $0.payload == payload }
    }
  }

  /// The bytes that have arrived on a channel.
  package func output(_ stream: UInt32, _ channel: UInt8 = 1) -> [UInt8] {
    frames.filter { $0.type == 3 && $0.stream == stream && $0.channel == channel }
      .flatMap(\.payload)
  }
}
