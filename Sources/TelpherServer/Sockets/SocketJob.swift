internal import TelpherForward
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A client's stream that carries the bytes of a socket: a connection that the server makes
/// (`connect`) or has accepted (`accept`). Use it only on its loop's thread.
final class SocketJob: StreamWork {
  /// The bytes of each direction: from the client, and to it.
  static let channels = (incoming: Channel.stdin, outgoing: Channel.stdout)

  /// Called once at the end.
  var didFinish: ((SocketJob, StreamClosing) -> Void)?

  private let link: Link
  private let stream: StreamID
  private var pump: SocketPump!
  private var dial: SocketDial?
  /// The end of a connection through the hub that the registered server has not taken yet.
  private var waiting: PairedStream?
  /// Held as long as the socket is open.
  private let slot: SocketSlot

  init(link: Link, stream: StreamID, slot: SocketSlot) {
    self.link = link
    self.stream = stream
    self.slot = slot
    pump = SocketPump(
      link: link, stream: stream, sends: Self.channels.outgoing, receives: Self.channels.incoming
    ) { [unowned self] end in
      pumpDidEnd(end)
    }
  }

  /// Connects to `address`.
  func connect(to address: SocketAddress, lookup: HostLookup, limit: UInt64) {
    dial = SocketDial.connect(
      to: address, on: link.loop, lookup: lookup, limit: limit, holding: slot
    ) { [unowned self] result in
      dial = nil
      switch result {
      case .success(let socket): open(socket, at: "\(address)")
      case .failure(let error): finish(.close(CloseResult(error)))
      }
    }
  }

  /// Connects to the server that has registered `name`.
  ///
  /// - Parameter peer: the client, for that server.
  func connect(to name: HubName, in registry: HubRegistry, as peer: String) {
    guard let desk = registry.find(name) else {
      return finish(
        .close(CloseResult(.failed, message: "no server has registered the name \(name) here")))
    }
    let loop = link.loop
    let ends = PairedStream.pair((loop, .inherited), (desk.loop, .inherited))
    waiting = ends.first
    nonisolated(unsafe) weak let job = self
    desk.offer(
      HubOffer(stream: ends.second, peer: peer) { answer in
        loop.execute { job?.hubDidAnswer(answer, StreamTarget.hub(name)) }
      })
  }

  private func hubDidAnswer(_ answer: Result<Void, SocketRefusal>, _ target: StreamTarget) {
    // It is too late after the end of the stream.
    guard let stream = waiting else { return }
    waiting = nil
    switch answer {
    case .success: open(stream, at: "\(target)")
    case .failure(let refusal):
      stream.close()
      finish(.close(CloseResult(.failed, message: refusal.message)))
    }
  }

  /// Begins to move the bytes of a socket.
  func open(_ socket: any ByteStream, at address: String) {
    link.control(stream, .opened(.socket(address: address)))
    pump.attach(socket)
  }

  // MARK: From the client

  func receive(_ chunk: Chunk, on channel: Channel) { pump.receive(chunk, on: channel) }

  func receiveEnd(of channel: Channel) { pump.receiveEnd(of: channel) }

  func receive(_ messages: [ControlMessage]) throws(WireError) {
    guard messages.contains(.cancel) else { return }
    pump.reset()
    finish(.close(CloseResult(.canceled, message: "the client canceled")))
  }

  func streamDidEnd(_ reason: StreamEnd) {
    pump.reset()
    finish(.reset(.canceled, reason: "the stream has ended"))
  }

  /// Gives the socket up because the server is ending.
  func endForShutdown() {
    pump.reset()
    finish(.reset(.shuttingDown, reason: "the server is ending"))
  }

  // MARK: The end

  private func pumpDidEnd(_ end: SocketPump.End) {
    switch end {
    case .finished:
      pump.close()
      var result = CloseResult(.ok)
      result.bytes = [
        "\(Self.channels.incoming.rawValue)": pump.receivedBytes,
        "\(Self.channels.outgoing.rawValue)": pump.sentBytes,
      ]
      finish(.close(result))
    case .broken(let error): finish(.reset(.socketBroken, reason: error.message))
    }
  }

  private func finish(_ closing: StreamClosing) {
    dial?.cancel()
    waiting?.close()
    (dial, waiting) = (nil, nil)
    let didFinish = didFinish
    self.didFinish = nil
    didFinish?(self, closing)
  }
}

extension CloseResult {
  /// The result of a socket that could not be opened.
  init(_ error: TransportError) {
    self.init(.failed, message: error.message)
    errno = error.errno == 0 ? nil : error.errno
  }
}
