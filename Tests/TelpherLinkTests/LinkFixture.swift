@testable import TelpherLink
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import TelpherWire

/// A link, by default a server's, with a raw peer at the other end.
struct LinkFixture: Sendable {
  let source: Source
  let peer: RawPeer

  static func with(
    role: Session.Role = .server,
    configure: (inout LinkConfiguration) -> Void = { _ in },
    _ body: (LinkFixture) async throws -> Void
  ) async throws {
    var configuration = LinkConfiguration()
    // A peer that doesn't read doesn't answer PINGs either, and on a busy machine that may take
    // long.
    configuration.lostAfter = 3_600_000_000_000
    configure(&configuration)
    let network = MemoryNetwork()
    let (loop, peerLoop) = (MemoryLoop(network: network), MemoryLoop(network: network))
    let source = Source(loop: loop, role: role, configuration: configuration)
    let result: Result<Void, any Error>
    do {
      try await source.open()
      let peer = try await RawPeer.connect(to: .unix(path: "/link"), on: peerLoop)
      try await body(LinkFixture(source: source, peer: peer))
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await source.close()
    await loop.shutDown()
    await peerLoop.shutDown()
    try result.get()
  }
}

/// Sends a given number of bytes whenever the link allows it, as a pump does.
actor Source {
  nonisolated let loop: any EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  private let role: Session.Role
  private let configuration: LinkConfiguration
  private var link: Link?
  private var delegate = Delegate()
  private var listener: (any Listener)?
  private var left: [UInt32: Int] = [:]
  private var outbounds: [UInt32: OutboundChannel] = [:]

  init(loop: any EventLoop, role: Session.Role, configuration: LinkConfiguration) {
    self.loop = loop
    self.role = role
    self.configuration = configuration
  }

  func open() throws {
    let socket = try loop.bind(to: .unix(path: "/link"), backlog: 1)
    listener = try loop.serve(socket) { [self] stream in
      nonisolated(unsafe) let stream = stream
      assumeIsolated { $0.accept(stream) }
    }
  }

  private func accept(_ stream: any ByteStream) {
    let link = Link(
      role: role, stream: stream, loop: loop, hello: Hello(), configuration: configuration)
    self.link = link
    link.start(delegate: delegate)
  }

  func close() {
    outbounds = [:]
    link?.abort()
    link = nil
  }

  func produce(_ stream: UInt32, total: Int) {
    guard let link else { return }
    let outbound = link.outbound(stream, .stdout)
    outbounds[stream] = outbound
    left[stream] = total
    outbound.onReady = { [unowned self] in assumeIsolated { $0.pump(stream) } }
    pump(stream)
  }

  /// Sends a chunk on a stream's channel, as a producer does that has not noticed the stream's end.
  func sendAgain(on stream: UInt32) -> Bool? { outbounds[stream]?.send(Chunk([1, 2, 3])) }

  private func pump(_ stream: UInt32) {
    guard let outbound = outbounds[stream], var count = left[stream] else { return }
    var mayGoOn = true
    while mayGoOn, count > 0 {
      let size = min(count, 50_000)
      count -= size
      left[stream] = count
      mayGoOn = outbound.send(Chunk([UInt8](repeating: 1, count: size)))
    }
    if count == 0 { outbound.finish() }
  }

  /// Creates a sending channel, for `send`.
  func makeChannel(_ stream: UInt32) { outbounds[stream] = link?.outbound(stream, .stdout) }

  /// Sends a byte on a channel that `makeChannel` created.
  ///
  /// - Returns: Whether the channel accepts more, and the bytes that it will not send.
  func send(_ stream: UInt32, _ byte: UInt8) -> (acceptsMore: Bool, kept: [UInt8]) {
    guard let outbound = outbounds[stream] else { return (false, []) }
    let acceptsMore = outbound.send(Chunk([byte]))
    return (acceptsMore, outbound.takeBack().map { [UInt8]($0) } ?? [])
  }

  /// How the link ended; nil while it is open.
  var end: LinkEnd? { delegate.end }

  /// How many OPENs were handled in each turn of the loop that handled any.
  var opensPerTurn: [Int] { delegate.opensPerTurn }
  /// The bytes that arrived on all channels.
  var delegateBytes: [UInt8] { delegate.bytes }
  /// How many channels the peer has ended.
  var finishedChannels: Int { delegate.finishedChannels }

  /// Waits for `nanoseconds` on the loop.
  func wait(_ nanoseconds: UInt64) async {
    await withCheckedContinuation { continuation in
      _ = loop.schedule(after: nanoseconds) { continuation.resume() }
    }
  }

  /// Waits for one turn of the loop.
  func turn() throws {}

  /// Waits until the link has stopped reading.
  func untilPaused() async {
    while link?.state.isThrottled == false {
      await wait(1_000_000)
    }
  }
}

/// A delegate that announces the link and accepts all events.
final class Delegate: LinkDelegate {
  private(set) var end: LinkEnd?
  private(set) var opensPerTurn: [Int] = []
  private(set) var bytes: [UInt8] = []
  private(set) var finishedChannels = 0
  /// The streams that were opened.
  private(set) var opened: [StreamID] = []
  /// Called with each stream that is opened.
  var onOpen: (StreamID) -> Void = { _ in }
  private var turnEnd: (any LoopTimer)?

  func link(_ link: Link, didReceive hello: Hello) { link.announce() }
  func link(_ link: Link, didOpen stream: StreamID, request: [UInt8], noInput: Bool) {
    if turnEnd == nil {
      opensPerTurn.append(0)
      turnEnd = link.loop.schedule(after: 0) { [weak self] in self?.turnEnd = nil }
    }
    opensPerTurn[opensPerTurn.count - 1] += 1
    opened.append(stream)
    onOpen(stream)
  }
  func link(_ link: Link, didReceive chunk: Chunk, on stream: StreamID, _ channel: Channel) {
    bytes.append(contentsOf: chunk)
    link.consume(stream, channel, chunk.count)
  }
  func link(_ link: Link, didFinish channel: Channel, of stream: StreamID) {
    finishedChannels += 1
  }
  func link(_ link: Link, didReceiveControl message: [UInt8], for stream: StreamID) {}
  func link(_ link: Link, didClose stream: StreamID, result: [UInt8]) {}
  func link(_ link: Link, didReset stream: StreamID, _ code: ErrorCode, reason: String) {}
  func link(_ link: Link, willGoAwayAfter last: StreamID, _ code: ErrorCode, reason: String) {}
  func link(_ link: Link, didReceivePong number: UInt64) {}
  func link(_ link: Link, didEnd end: LinkEnd) { self.end = end }
}
