import TelpherTransport
import TelpherWire

/// A client that sends and reads frames without the client library, and reads only when a test
/// wants it to. It grants unlimited credit at once, so that only the socket can block the server.
actor RawClient {
  private nonisolated let loop: any EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private var stream: (any ByteStream)?
  private var buffer = Array<UInt8>()
  private var bytes: [StreamID: [UInt8: [UInt8]]] = [:]
  private var results: [StreamID: CloseResult] = [:]
  private var nextStream: StreamID = 1
  /// Whether the server has ended the connection.
  private(set) var hasEnded = false

  private init(loop: any EventLoop) { self.loop = loop }

  /// Connects and sends HELLO.
  static func connect(to address: SocketAddress, on loop: any EventLoop) async throws -> RawClient {
    let client = RawClient(loop: loop)
    try await client.open(address)
    return client
  }

  private func open(_ address: SocketAddress) async throws {
    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
      loop.connect(to: address) { result in
        self.stream = try? result.get()
        done.resume(with: result.map { _ in }.mapError { $0 })
      }
    }
    stream?.onRead = { [unowned self] chunk in assumeIsolated { $0.receive(chunk) } }
    stream?.onEnd = { [unowned self] _ in assumeIsolated { $0.hasEnded = true } }
    let plenty = "{\"version\":1,\"window\":\(1 << 50),\"connection_window\":\(1 << 50)}"
    send(WireConstants.preface + frame(.hello, 0, plenty))
  }

  /// Sends an OPEN with this JSON, without input.
  func run(_ request: String) -> StreamID {
    defer { nextStream += 2 }
    send(frame(.open, nextStream, request, flags: FrameFlags.noInput))
    return nextStream
  }

  /// Starts reading from the socket.
  func startReading() { stream?.resumeReading() }
  /// Stops reading from the socket.
  func stopReading() { stream?.pauseReading() }
  func close() { stream?.close() }

  /// The bytes of an output so far.
  func output(_ stream: StreamID, _ channel: Channel = .stdout) -> [UInt8] {
    bytes[stream]?[channel.rawValue] ?? []
  }

  /// The result of a stream; nil while it is open.
  func result(_ stream: StreamID) -> CloseResult? { results[stream] }

  private func send(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { _ = stream?.write($0, nil) }
  }

  private func frame(
    _ type: FrameType, _ stream: StreamID, _ payload: String, flags: UInt8 = 0
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    FrameHeader(length: UInt32(payload.utf8.count), stream: stream, type: type, flags: flags)
      .append(to: &bytes)
    return bytes + payload.utf8
  }

  private func receive(_ chunk: Chunk) {
    buffer.append(contentsOf: chunk)
    var start = 0
    if nextExpected == .preface, buffer.count >= 8 {
      precondition(Array(buffer[..<8]) == WireConstants.preface, "a server begins with its preface")
      nextExpected = .frame
      start = 8
    }
    while nextExpected == .frame, buffer.count - start >= WireConstants.headerLength {
      let header = buffer.withUnsafeBytes {
        FrameHeader(reading: UnsafeRawBufferPointer(rebasing: $0[start...]))
      }
      let end = start + WireConstants.headerLength + Int(header.length)
      guard end <= buffer.count else { break }
      receive(header, buffer[(start + WireConstants.headerLength)..<end])
      start = end
    }
    buffer.removeFirst(start)
  }

  private enum Expected { case preface, frame }
  private var nextExpected = Expected.preface

  private func receive(_ header: FrameHeader, _ payload: ArraySlice<UInt8>) {
    switch header.type {
    case .data: bytes[header.stream, default: [:]][header.channel, default: []] += payload
    case .close: results[header.stream] = try? CloseResult.decode(Array(payload))
    default: break
    }
  }
}
