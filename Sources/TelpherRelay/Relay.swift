internal import Glibc
internal import TelpherAccess
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// Passes the streams of many local clients on over one connection to a server. Use it only on its
/// loop's thread.
///
/// It is a server for its clients and a client of the server. It passes OPEN, CONTROL and CLOSE on
/// unchanged, and DATA with credit: each side gets as much as the other side takes. A client that is
/// gone resets its streams with LOST; if the server is lost, the clients' streams are reset with
/// LOST and the reason.
final class Relay: LinkDelegate {
  /// Calls its second argument with what an end of the server's link means for the user.
  typealias Explanation = (LinkEnd, @escaping (_ reason: String) -> Void) -> Void

  private let server: Link
  private let serverHello: Hello
  private let explain: Explanation
  private let configuration: RelayConfiguration
  private let loop: any EventLoop
  private let startedAt: UInt64
  private let openRoom: RelayOpenRoom
  /// Called when no further clients are accepted, and when the relay has ended.
  private let didClose: () -> Void
  private let didEnd: () -> Void

  private var life: RelayLife
  private var timer: (any LoopTimer)?
  private var clients: [ObjectIdentifier: RelayClient] = [:]
  /// The clients that are refused.
  private var refused: [ObjectIdentifier: RelayClient] = [:]
  /// The open streams, by their number to the server.
  private var streams: [StreamID: RelayedStream] = [:]
  /// The PINGs that the server has not answered, by their number to the server.
  private var pings: [UInt64: (client: RelayClient, number: UInt64)] = [:]
  private var lastPing: UInt64 = 0
  /// Why the server accepts no more streams; nil while it does.
  private var refusal: String?
  /// Why the server's connection was lost; nil if it was not.
  private(set) var lossReason: String?
  /// Whether the server's link has ended.
  private var hasServerEnded = false

  /// Takes over `server`, whose HELLO has arrived.
  init(
    _ server: Link, hello: Hello, _ configuration: RelayConfiguration,
    explain: @escaping Explanation, didClose: @escaping () -> Void, didEnd: @escaping () -> Void
  ) {
    self.server = server
    serverHello = hello
    self.explain = explain
    self.configuration = configuration
    loop = server.loop
    startedAt = server.loop.now
    openRoom = RelayOpenRoom(limit: configuration.maxOpenBytes)
    self.didClose = didClose
    self.didEnd = didEnd
    life = RelayLife(keep: configuration.keep, at: server.loop.now)
    server.handOver(to: self)
    perform(life.check(at: loop.now))
  }

  // MARK: Clients

  /// Accepts a client, or sends it the relay's HELLO and the reason why not.
  ///
  /// - Parameter address: where it has connected; nil for one over open descriptors.
  func accept(_ stream: any ByteStream, at address: SocketAddress?) {
    guard let access = access(of: stream.peer, at: address) else { return stream.close() }
    let refusal = refusalOfClient
    let client = RelayClient(makeLink(stream, access, refuses: refusal != nil), of: self)
    // A stranger's connection is closed without waiting for it to read the reason.
    if case .mustProve = access { client.link.lingersAfterFault = false }
    if let refusal {
      refused[ObjectIdentifier(client)] = client
      return client.refuse(refusal)
    }
    clients[ObjectIdentifier(client)] = client
    timer?.cancel()
    life.clientDidArrive()
    // A client over open descriptors is the one that started this process. It gets no time limit:
    // it may be suspended, and if it ends, the link reports that.
    client.start(helloTimeout: address == nil ? nil : configuration.helloTimeout)
  }

  /// Why the next client is refused; nil if it is accepted.
  private var refusalOfClient: WireError? {
    guard life.phase == .serving else {
      return WireError(.shuttingDown, "the relay ends after the clients that it has")
    }
    guard clients.count >= configuration.maxClients || !hasRoomForInput else { return nil }
    return WireError(
      .limitReached,
      "the relay has \(clients.count) clients, which share the limits of one connection")
  }

  /// How a client shows that it may use the relay.
  private enum Access {
    /// The system has reported its user.
    case known
    /// By a proof that it knows the token.
    case mustProve(TokenProver)
  }

  /// How `peer` shows that it may use the relay; nil if it may not.
  private func access(of peer: PeerIdentity, at address: SocketAddress?) -> Access? {
    switch peer {
    case .inherited: return .known
    case .user(let uid, _): return uid == configuration.owner || uid == 0 ? .known : nil
    case .network(_, let isLoopback):
      return isLoopback ? proof(at: address) : nil
    case .vsock(_, let reached):
      guard case .vsock(_, let port)? = address else { return nil }
      return proof(at: .vsock(reached, port: port))
    case .passedOn: return nil
    }
  }

  private func proof(at address: SocketAddress?) -> Access? {
    guard let address, let token = try? configuration.tokens?.current() else { return nil }
    return .mustProve(TokenProver(token, at: address))
  }

  /// Whether the server's window for the whole connection has room for the input of another client.
  /// If not, a client whose command reads would wait for those that do not.
  ///
  /// The server's window grows by unread input, so that a quarter of its initial size stays free.
  /// The credit can be lower for a moment until WINDOW arrives, or for long if the window is at its
  /// limit or the server never lets it grow. So the credit alone does not decide: if little input
  /// is unread, there is room.
  private var hasRoomForInput: Bool {
    let window = serverHello.window ?? WireConstants.defaultWindow
    let total = serverHello.connectionWindow ?? WireConstants.defaultConnectionWindow
    return server.connectionCredit >= total / 8
      || streams.values.reduce(0) { $0 + $1.untakenInput(of: window) } <= total / 4
  }

  /// - Parameter refuses: whether the client is not accepted.
  private func makeLink(_ stream: any ByteStream, _ access: Access, refuses: Bool) -> Link {
    var prover: TokenProver?
    if case .mustProve(let needed) = access { prover = needed }
    var hello = Hello(
      window: LinkConfiguration.inputWindow,
      connectionWindow: LinkConfiguration.inputConnectionWindow,
      maxStreams: serverHello.maxStreams ?? WireConstants.defaultMaxStreams,
      auth: prover == nil ? nil : .fresh(),
      server: serverHello.server, killScope: serverHello.killScope)
    // What the server's session knows is of no use to the client.
    hello.features =
      (serverHello.features ?? []).filter { !Session.serverFeatures.contains($0) }
      + Session.serverFeatures
    hello.relay = Hello.Relay(
      address: String(configuration.address.cut(toUTF8: Self.longestAddress)),
      version: configuration.version, pid: getpid(), clients: clients.count,
      streams: streams.count, ageMS: (loop.now - startedAt) / 1_000_000,
      leftMS: life.left(at: loop.now).map { $0 / 1_000_000 }, refuses: refuses ? true : nil,
      isEnding: life.phase == .serving ? nil : true)
    var linkConfiguration = configuration.link
    linkConfiguration.openRoom = openRoom
    return Link(
      role: .server, stream: stream, loop: loop, hello: hello, prover: prover,
      configuration: linkConfiguration)
  }

  /// The most bytes of the address in a HELLO, which must fit into
  /// `WireConstants.maxHelloLength` even if JSON writes each byte as six.
  private static let longestAddress = 256

  func clientDidEnd(_ client: RelayClient) {
    let key = ObjectIdentifier(client)
    guard clients.removeValue(forKey: key) != nil else {
      refused[key] = nil
      return
    }
    perform(
      life.clientDidLeave(wasUsed: client.wasUsed, keep: client.keep, at: loop.now))
  }

  // MARK: Streams

  /// Opens a stream to the server for the stream `near` of `client`.
  func open(_ request: [UInt8], noInput: Bool, for client: RelayClient, _ near: StreamID) {
    do throws(WireError) {
      if let refusal { throw WireError(.shuttingDown, refusal) }
      guard mayGather(request.count) else {
        throw WireError(
          .limitReached, "the connection to the server is too slow at the moment: try again later")
      }
      let far = try server.open(request, noInput: noInput)
      let stream = RelayedStream(near, of: client, far, to: server)
      streams[far] = stream
      client.streamDidOpen(stream)
      if !noInput { client.link.openInput(near, .stdin) }
    } catch {
      client.link.close(near, CloseResult(.refused, message: error.message))
      // Without open streams no limit is reached, except that of the stream numbers.
      if streams.isEmpty { drain() }
    }
  }

  /// Whether `count` more bytes for the server may wait to be written.
  func mayGather(_ count: Int) -> Bool {
    server.gatheredBytes + count <= configuration.maxGatheredBytes
  }

  func streamDidEnd(_ stream: RelayedStream) { streams[stream.far] = nil }

  // MARK: PINGs

  /// Asks the server what `client` has asked, so that an answer means that the server answers.
  func ping(_ number: UInt64, of client: RelayClient) {
    guard client.pings < configuration.maxPings else {
      return client.link.fail(
        WireError(.limitReached, "\(configuration.maxPings) PINGs are unanswered"))
    }
    client.pings += 1
    lastPing += 1
    pings[lastPing] = (client, number)
    server.ping(lastPing)
  }

  // MARK: The server's silence

  /// Sends the server a PING to find out whether it still answers.
  ///
  /// - Returns: the time of the question.
  func askServer() -> UInt64 {
    server.sendKeepalive()
    return loop.now
  }

  /// Whether anything has arrived from the server since `time`. If it has been silent for long, the
  /// relay accepts no further clients, so that the next command makes a connection of its own.
  func hasHeardServer(since time: UInt64) -> Bool {
    let heard = server.lastHeard
    if let limit = configuration.drainAfterSilence, heard < time, loop.now - heard >= limit {
      drain()
    }
    return heard >= time
  }

  // MARK: The end

  /// Accepts no further clients, and ends when the present ones are gone.
  func drain() {
    didClose()
    perform(life.drain(at: loop.now))
  }

  /// Ends all connections at once, with a reason for the clients.
  func stop(_ reason: String) {
    drain()
    for client in clients.values { client.end(reason) }
  }

  private func perform(_ action: RelayLife.Action) {
    timer?.cancel()
    timer = nil
    switch action {
    case .wait: break
    case .check(let time):
      timer = loop.schedule(after: time) { [unowned self] in perform(life.check(at: loop.now)) }
    case .end:
      didClose()
      if hasServerEnded { didEnd() } else { server.finish() }
    }
  }

  // MARK: LinkDelegate, for the server

  func link(_ link: Link, didReceive chunk: Chunk, on stream: StreamID, _ channel: Channel) {
    guard let relayed = streams[stream] else {
      return link.consume(stream, channel, chunk.count)
    }
    relayed.receiveFromServer(chunk, channel)
  }

  func link(_ link: Link, didFinish channel: Channel, of stream: StreamID) {
    streams[stream]?.finishFromServer(channel)
  }

  func link(_ link: Link, didReceiveControl message: [UInt8], for stream: StreamID) {
    guard let relayed = streams[stream] else { return }
    let client = relayed.client.link
    guard client.gatheredBytes + message.count <= configuration.maxGatheredBytes else {
      return client.fail(WireError(.limitReached, "the client does not read its messages"))
    }
    relayed.receiveControlFromServer(message)
  }

  func link(_ link: Link, didClose stream: StreamID, result: [UInt8]) {
    streams[stream]?.serverDidEnd(.close(result))
  }

  func link(_ link: Link, didReset stream: StreamID, _ code: ErrorCode, reason: String) {
    streams[stream]?.serverDidEnd(.reset(code, reason))
  }

  func link(_ link: Link, willGoAwayAfter last: StreamID, _ code: ErrorCode, reason: String) {
    // Without a last stream the server only wants the relay to leave: it still takes all streams.
    if last == WireConstants.noLastStream {
      for client in clients.values { client.link.askToLeave(reason: reason) }
    } else {
      refusal = reason
      for client in clients.values { client.serverGoesAway(after: last, code, reason) }
    }
    drain()
  }

  func link(_ link: Link, didReceivePong number: UInt64) {
    guard let (client, number) = pings.removeValue(forKey: number) else { return }
    client.pings -= 1
    client.link.pong(number)
  }

  func link(_ link: Link, didEnd end: LinkEnd) {
    hasServerEnded = true
    guard life.phase != .over else {
      // Waits until a process that carries the connection has ended too.
      return explain(.lost("")) { [didEnd] _ in didEnd() }
    }
    didClose()
    explain(end) { [self] text in
      let words = configuration.lastWords()
      let reason = words.isEmpty ? text : "\(text) (\(words))"
      refusal = reason
      lossReason = reason
      for client in clients.values { client.serverIsLost(reason) }
      perform(life.drain(at: loop.now))
    }
  }

  // The server's HELLO has arrived before, and a server opens no streams.
  func link(_ link: Link, didReceive hello: Hello) {}
  func link(_ link: Link, didOpen stream: StreamID, request: [UInt8], noInput: Bool) {}
}

/// The memory for the long OPENs of all clients. Only the relay's loop uses it.
private final class RelayOpenRoom: OpenRoom, @unchecked Sendable {
  private let limit: Int
  private var used = 0

  init(limit: Int) { self.limit = limit }

  func take(_ bytes: Int) -> Bool {
    guard used + bytes <= limit else { return false }
    used += bytes
    return true
  }

  func giveBack(_ bytes: Int) { used -= bytes }
}
