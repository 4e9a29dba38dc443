import TelpherTransport
import Testing

/// A server of NATS that says what a test wants. It accepts connections on a loop, sends a text to each
/// at its begin, and another one after the client has presented itself.
actor ScriptedServer {
  nonisolated let loop: any EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  private let first: String
  private let second: String
  private var socket: (any BoundSocket)?
  private var listener: (any Listener)?
  private var streams: [any ByteStream] = []
  /// How many connections it has accepted.
  private(set) var connections = 0
  /// How many of them the client has closed.
  private(set) var ended = 0
  /// What each client has sent.
  private var inputs: [[UInt8]] = []
  /// What all clients have sent.
  var received: [UInt8] { inputs.flatMap { $0 } }

  init(on loop: any EventLoop, first: String, second: String) {
    (self.loop, self.first, self.second) = (loop, first, second)
  }

  /// Begins to listen, and returns the port at 127.0.0.1.
  func start() throws -> UInt16 {
    let socket = try loop.bind(to: .tcp(host: "127.0.0.1", port: 0), backlog: 16)
    self.socket = socket
    listener = try loop.serve(socket) { [weak self] stream in
      nonisolated(unsafe) let stream = stream
      self?.assumeIsolated { $0.accept(stream) }
    }
    guard case .tcp(_, let port) = socket.address else { preconditionFailure("it is TCP") }
    return port
  }

  /// Closes everything.
  func stop() {
    listener?.close()
    socket?.close()
    for stream in streams { stream.close() }
    streams = []
  }

  private func accept(_ stream: any ByteStream) {
    let number = connections
    connections += 1
    streams.append(stream)
    inputs.append([])
    stream.onRead = { [weak self] chunk in
      let bytes = Array(chunk)
      self?.assumeIsolated { $0.didReceive(bytes, number) }
    }
    stream.onEnd = { [weak self] _ in self?.assumeIsolated { $0.ended += 1 } }
    stream.resumeReading()
    Self.send(first, stream)
  }

  private func didReceive(_ bytes: [UInt8], _ number: Int) {
    let wasPresented = Self.isPresented(inputs[number])
    inputs[number] += bytes
    if !wasPresented, Self.isPresented(inputs[number]) { Self.send(second, streams[number]) }
  }

  /// Whether a client has presented itself.
  private static func isPresented(_ input: [UInt8]) -> Bool {
    String(decoding: input, as: UTF8.self).contains("}\r\nPING\r\n")
  }

  private static func send(_ text: String, _ stream: any ByteStream) {
    Array(text.utf8).withUnsafeBytes { _ = stream.write($0, nil) }
  }
}
