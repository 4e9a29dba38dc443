internal import TelpherForward
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A client's listening socket: it announces each accepted connection to the client, and keeps it
/// until the client takes it with `accept`. Use it only on its loop's thread.
final class ListenJob: StreamWork {
  /// A connection for the client that takes it, with its place within the limits.
  struct Accepted {
    let socket: any ByteStream
    let slot: SocketSlot
  }

  /// An announced connection that the client has not taken. One that was refused has no socket, only
  /// the reason for the client.
  private struct Unclaimed {
    let outcome: Result<Accepted, SocketRefusal>
    let timer: any LoopTimer

    func close() {
      timer.cancel()
      if case .success(let accepted) = outcome { accepted.socket.close() }
    }
  }

  /// Called once at the end.
  var didFinish: ((ListenJob, StreamClosing) -> Void)?
  /// The address where it listens; nil before `listen` has succeeded.
  private(set) var address: SocketAddress?
  /// The address as the client has written it.
  let requested: String

  private let link: Link
  private let stream: StreamID
  private let limits: SocketLimits
  private let takeSlot: () throws(SocketRefusal) -> SocketSlot
  private var bound: (any BoundSocket)?
  private var listener: (any Listener)?
  private var unclaimed: [String: Unclaimed] = [:]

  init(
    at requested: String, link: Link, stream: StreamID, limits: SocketLimits,
    takeSlot: @escaping () throws(SocketRefusal) -> SocketSlot
  ) {
    self.requested = requested
    self.link = link
    self.stream = stream
    self.limits = limits
    self.takeSlot = takeSlot
  }

  /// Begins to listen, and reports the address to the client.
  ///
  /// - Throws: `TransportError` if the address can't be used.
  func listen(at address: SocketAddress) throws(TransportError) {
    let socket = try link.loop.bind(to: address, backlog: SocketDefaults.backlog)
    bound = socket
    self.address = socket.address
    do throws(TransportError) {
      listener = try link.loop.serve(socket) { [unowned self] in accept($0) }
    } catch {
      close()
      throw error
    }
    link.control(stream, .opened(.socket(address: "\(socket.address)")))
  }

  private func accept(_ socket: any ByteStream) {
    socket.setResetsOnClose(true)
    let peer = socket.peerText
    let outcome = Result { () throws(SocketRefusal) in
      Accepted(socket: socket, slot: try takeSlot())
    }
    // The peer of a refused connection sees a reset at once. The client gets the reason when it asks
    // for the connection: so `maxUnclaimed` also bounds the reports that wait for a slow client.
    if case .failure = outcome { socket.close() }
    let name = ConnectionName.random()
    let timer = link.loop.schedule(after: limits.claimTimeout) { [unowned self] in
      unclaimed.removeValue(forKey: name)?.close()
      acceptIfRoom()
    }
    unclaimed[name] = Unclaimed(outcome: outcome, timer: timer)
    link.control(stream, .accepted(.init(connection: name, peer: peer)))
    if unclaimed.count >= limits.maxUnclaimed { listener?.suspend() }
  }

  /// Whether it has announced the connection of this name, which the client has not taken.
  func hasAnnounced(_ name: String) -> Bool { unclaimed[name] != nil }

  /// Gives an accepted connection to its client; nil if there is none of that name.
  ///
  /// - Throws: `SocketRefusal` if a limit was reached when it was accepted. It is closed already.
  func claim(_ name: String) throws(SocketRefusal) -> Accepted? {
    guard let connection = unclaimed.removeValue(forKey: name) else { return nil }
    connection.timer.cancel()
    acceptIfRoom()
    return try connection.outcome.get()
  }

  private func acceptIfRoom() {
    if unclaimed.count < limits.maxUnclaimed { listener?.resume() }
  }

  // MARK: From the client

  func receive(_ chunk: Chunk, on channel: Channel) {
    link.consume(stream, channel, chunk.count)
  }

  func receiveEnd(of channel: Channel) {}

  func receive(_ messages: [ControlMessage]) throws(WireError) {
    guard messages.contains(.cancel) else { return }
    close()
    finish(.close(CloseResult(.canceled, message: "the client canceled")))
  }

  func streamDidEnd(_ reason: StreamEnd) {
    close()
    finish(.reset(.canceled, reason: "the stream has ended"))
  }

  /// Stops listening because the server is ending.
  func endForShutdown() {
    close()
    finish(.close(CloseResult(.canceled, message: "the server is ending")))
  }

  /// Closes the listening socket and the connections that no client has taken.
  private func close() {
    listener?.close()
    listener = nil
    bound?.close()
    bound = nil
    for connection in unclaimed.values { connection.close() }
    unclaimed = [:]
  }

  private func finish(_ closing: StreamClosing) {
    let didFinish = didFinish
    self.didFinish = nil
    didFinish?(self, closing)
  }
}

/// Names of announced connections, which nothing else can guess.
enum ConnectionName {
  /// A new name: 32 hexadecimal digits.
  static func random() -> String {
    var generator = SystemRandomNumberGenerator()
    return hex(generator.next()) + hex(generator.next())
  }

  private static func hex(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
