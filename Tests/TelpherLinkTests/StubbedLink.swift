@testable import TelpherLink
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import TelpherWire

/// A server's link over a `StubStream`. Each call of `turn` is one turn of the loop.
actor StubbedLink {
  nonisolated let loop: any EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  let stream = StubStream()
  let delegate = Delegate()
  let link: Link
  private var outbounds: [UInt32: OutboundChannel] = [:]
  /// The bytes of each stream that its producer still has.
  private var left: [UInt32: Int] = [:]

  private init(loop: any EventLoop, configuration: LinkConfiguration) {
    self.loop = loop
    link = Link(
      role: .server, stream: stream, loop: loop, hello: Hello(), configuration: configuration)
  }

  /// Starts a link whose client has sent `clientHello`, and runs `body`.
  static func with(
    clientHello: String = #"{"version":1}"#,
    configure: (inout LinkConfiguration) -> Void = { _ in },
    _ body: (StubbedLink) async throws -> Void
  ) async throws {
    var configuration = LinkConfiguration()
    // On a busy machine a turn may take long. No PING may come in between.
    configuration.pingAfter = 3_600_000_000_000
    configure(&configuration)
    let loop = MemoryLoop()
    let stubbed = StubbedLink(loop: loop, configuration: configuration)
    let result: Result<Void, any Error>
    do {
      await stubbed.turn {
        $0.link.start(delegate: $0.delegate)
        $0.stream.deliver(hello(clientHello))
      }
      try await body(stubbed)
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await stubbed.turn { $0.link.abort() }
    await loop.shutDown()
    try result.get()
  }

  /// Runs `body` in a turn of the loop. What the link gathers is written at the end of the turn,
  /// before this call returns.
  func turn<Value: Sendable>(_ body: @Sendable (isolated StubbedLink) -> Value) async -> Value {
    let value = body(self)
    await withCheckedContinuation { continuation in
      loop.execute { continuation.resume() }
    }
    return value
  }

  /// Waits until `isTrue` holds.
  func until(_ isTrue: @Sendable (isolated StubbedLink) -> Bool) async {
    while !isTrue(self) {
      await withCheckedContinuation { continuation in
        _ = loop.schedule(after: 1_000_000) { continuation.resume() }
      }
    }
  }

  /// Sends `total` bytes on the standard output of a stream, in chunks of at most `size`, whenever
  /// the link allows it. Ends the channel then.
  func produce(_ stream: UInt32, total: Int, size: Int = 50_000) {
    let outbound = link.outbound(stream, .stdout)
    outbounds[stream] = outbound
    left[stream] = total
    outbound.onReady = { [unowned self] in assumeIsolated { $0.pump(stream, size) } }
    pump(stream, size)
  }

  private func pump(_ stream: UInt32, _ size: Int) {
    guard let outbound = outbounds[stream], var count = left[stream] else { return }
    var mayContinue = true
    while mayContinue, count > 0 {
      let next = min(count, size)
      count -= next
      left[stream] = count
      mayContinue = outbound.send(Chunk([UInt8](repeating: UInt8(stream), count: next)))
    }
    if count == 0 { outbound.finish() }
  }
}
