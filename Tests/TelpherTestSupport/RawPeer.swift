public import TelpherTransport

/// One end of a connection that speaks bytes: it sends what a test says, well-formed or not, and
/// keeps the frames that come.
public actor RawPeer {
  /// What a test waited for did not come; with all that did.
  public struct Missing: Error, CustomStringConvertible {
    public let description: String

    /// Something that a test waited for.
    public init(description: String) { self.description = description }
  }

  public nonisolated let loop: any EventLoop
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    loop.asUnownedSerialExecutor()
  }

  /// Frames that came, in order.
  public private(set) var frames: [RawFrame] = []
  /// Whether the other end has ended its side, or broken the connection.
  public private(set) var hasEnded = false
  /// Whether it answers the PINGs that ask for life signs.
  private var answersPings = true
  /// Bytes that came.
  public private(set) var receivedBytes = 0
  /// Bytes of payload that came by DATA.
  public private(set) var dataBytes = 0

  private var stream: (any ByteStream)?
  private var bytes: [UInt8] = []
  private var sawPreface = false
  private var waiters: [Int: CheckedContinuation<Bool, Never>] = [:]
  private var lastWaiter = 0

  private init(loop: any EventLoop) { self.loop = loop }

  /// Longer than anything takes on a busy machine.
  static let patience: UInt64 = 300_000_000_000

  public static func connect(to address: SocketAddress, on loop: any EventLoop) async throws
    -> RawPeer
  {
    let peer = RawPeer(loop: loop)
    try await peer.open(address)
    return peer
  }

  /// Over a stream of `loop`; on its thread.
  public static func adopt(_ stream: any ByteStream, on loop: any EventLoop) -> RawPeer {
    let peer = RawPeer(loop: loop)
    nonisolated(unsafe) let stream = stream
    peer.assumeIsolated { $0.start(stream) }
    return peer
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
      // On a busy machine a test may take longer than its peer bears silence, and asks by 0.
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

  public func send(_ bytes: [UInt8]...) {
    stream?.write(UnsafeRawBufferPointer(start: nil, count: 0), Chunk(bytes.flatMap { $0 }))
  }

  public func ignorePings() { answersPings = false }
  public func finishWriting() { stream?.finishWriting() }
  public func pauseReading() { stream?.pauseReading() }
  public func resumeReading() { stream?.resumeReading() }
  /// Bytes that were sent and that the other end has no room for.
  public var queuedBytes: Int { stream?.queuedBytes ?? 0 }

  public func close() {
    stream?.close()
    stream = nil
    didEnd()
  }

  // MARK: Waiting

  /// Waits until `isThere` holds for what came.
  public func until(
    _ what: String = "it", _ isThere: @Sendable (isolated RawPeer) -> Bool
  ) async throws {
    while !isThere(self) {
      lastWaiter += 1
      let number = lastWaiter
      let timer = loop.schedule(after: Self.patience) { [self] in
        assumeIsolated { _ = $0.waiters.removeValue(forKey: number)?.resume(returning: false) }
      }
      // A task that doesn't prefer the loop may get to the closure a turn later: asked again there.
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

  /// The first frame of a type for a stream, waited for.
  @discardableResult
  public func frame(_ type: UInt8, _ stream: UInt32 = 0) async throws -> RawFrame {
    try await until("frame \(type) of stream \(stream)") { peer in
      peer.frames.contains { $0.type == type && $0.stream == stream } || peer.hasEnded
    }
    guard let frame = frames.first(where: { $0.type == type && $0.stream == stream }) else {
      throw Missing(description: "the end came before frame \(type) of \(stream): \(frames)")
    }
    return frame
  }

  /// The result of a stream, waited for; its JSON.
  public func result(_ stream: UInt32) async throws -> String { try await frame(6, stream).text }

  public func end() async throws { try await until("the end") { $0.hasEnded } }

  /// Sends a PING and waits for its answer: everything sent before has been looked at then.
  public func sync(_ number: UInt64 = .random(in: 1...UInt64.max)) async throws {
    send(ping(number))
    let payload = big(number)
    try await until("PONG") { peer in
      peer.hasEnded || peer.frames.contains { $0.type == 9 && $0.payload == payload }
    }
  }

  /// The bytes of a channel.
  public func output(_ stream: UInt32, _ channel: UInt8 = 1) -> [UInt8] {
    frames.filter { $0.type == 3 && $0.stream == stream && $0.channel == channel }
      .flatMap(\.payload)
  }
}
