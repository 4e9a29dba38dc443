import Logging
import Synchronization
import TelpherTransport
import TelpherTransportTesting
import Testing

@testable import TelpherClassic

/// A server of a dialect on a loop in memory. Its shell runs the commands of `programs`; any other
/// command prints its own line.
final class ClassicRig: Sendable {
  let loop: MemoryLoop
  let server: ClassicServer
  let address: SocketAddress

  /// The commands of a test, by their lines.
  typealias Programs = [String: @Sendable (MemoryProcess) -> Void]

  init(
    _ dialect: ClassicDialect, limits: ClassicLimits = ClassicLimits(), readsLines: Bool = false,
    _ programs: Programs = [:]
  ) async throws {
    let network = MemoryNetwork()
    network.register(
      "sh",
      MemoryProgram { process in
        let line = process.arguments.last ?? ""
        if let program = programs[line] { return program(process) }
        process.print(line)
        process.exit(0)
      })
    loop = MemoryLoop(network: network)
    var options = ClassicServerOptions()
    options.limits = limits
    options.readsLines = readsLines
    server = try ClassicServer(
      dialect, on: loop, options: options, logger: Logger(label: "test", factory: { _ in Silent() })
    )
    let classic = try await server.listen(at: .streams(.tcp(host: "127.0.0.1", port: 0)))
    guard case .streams(let address) = classic else {
      preconditionFailure("a stream was asked for")
    }
    self.address = address
  }

  /// Connects a client.
  func client() async throws -> RawClient {
    let client = RawClient(on: loop)
    try await client.connect(to: address)
    return client
  }

  /// Ends the server and the loop.
  func end() async {
    await server.stop()
    await loop.shutDown()
  }
}

private struct Silent: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.critical
  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }
  func log(event: LogEvent) {}
}

/// A client that reads and writes bytes.
actor RawClient {
  nonisolated let loop: any EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  private var stream: PulledStream?

  init(on loop: any EventLoop) { self.loop = loop }

  func connect(to address: SocketAddress) async throws {
    stream = PulledStream(try await loop.connect(to: address), aheadBytes: 0)
  }

  func write(_ text: String) async throws { try await stream?.write(text) }

  func write(_ bytes: [UInt8]) async throws { try await stream?.write(bytes) }

  /// The next `count` bytes.
  func read(_ count: Int) async throws -> [UInt8] {
    try await stream?.read(exactly: count, of: "what a test expects") ?? []
  }

  func text(_ count: Int) async throws -> String {
    String(decoding: try await read(count), as: UTF8.self)
  }

  /// The bytes of one read, as of one recv.
  func readOnce() async throws -> String {
    guard let chunk = try await stream?.read() else { return "" }
    return String(decoding: [UInt8](chunk), as: UTF8.self)
  }

  /// All bytes until the connection ends, in order or with an error.
  func readToEnd() async -> String {
    var bytes: [UInt8] = []
    while let chunk = try? await stream?.read() { bytes.append(contentsOf: chunk) }
    return String(decoding: bytes, as: UTF8.self)
  }

  func finishWriting() { stream?.finishWriting() }

  func close() { stream?.close() }
}

/// Counts events for a test that waits for them. For one waiter.
final class Signal: Sendable {
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream() }

  func send() { continuation.yield() }

  /// Waits for the next event that no earlier `wait()` has returned for.
  func wait() async {
    for await _ in stream { return }
  }
}
