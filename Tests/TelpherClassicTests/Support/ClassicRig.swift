import Logging
import Synchronization
import TelpherTransport
import TelpherTransportTesting
import Testing

@testable import TelpherClassic

/// A server of a dialect on a loop in memory, whose shell runs what `programs` has.
final class ClassicRig: Sendable {
  let loop: MemoryLoop
  let server: ClassicServer
  let address: SocketAddress

  /// What the commands of a test do, by their line.
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
        // Any other line is its own output.
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

  /// A client that is connected.
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

/// A peer that speaks bytes.
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

  /// What one read brings, as a recv does.
  func readOnce() async throws -> String {
    guard let chunk = try await stream?.read() else { return "" }
    return String(decoding: [UInt8](chunk), as: UTF8.self)
  }

  /// All that comes until the server ends; an error counts as an end.
  func readToEnd() async -> String {
    var bytes: [UInt8] = []
    while let chunk = try? await stream?.read() { bytes.append(contentsOf: chunk) }
    return String(decoding: bytes, as: UTF8.self)
  }

  func finishWriting() { stream?.finishWriting() }

  func close() { stream?.close() }
}

/// Something that happens once, and that tests wait for.
final class Signal: Sendable {
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream() }

  func send() { continuation.yield() }

  /// Returns once it has been sent once more than was waited for.
  func wait() async {
    for await _ in stream { return }
  }
}
