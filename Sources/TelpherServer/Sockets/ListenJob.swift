internal import TelpherForward
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A client's listening socket: it announces each accepted connection to the client, and keeps it
/// until the client takes it with `accept`. Use it only on its loop's thread.
final class ListenJob: StreamWork {
  /// An accepted connection that its client has not taken.
  private struct Unclaimed {
    let socket: any ByteStream
    let slot: SocketSlot
    let timer: any LoopTimer
  }

  /// Called once at the end.
  var didFinish: ((ListenJob, StreamClosing) -> Void)?
  /// The address where it listens; nil before `listen` has succeeded.
  private(set) var address: SocketAddress?

  private let link: Link
  private let stream: StreamID
  private let limits: SocketLimits
  private let takeSlot: () throws(SocketRefusal) -> SocketSlot
  private var bound: (any BoundSocket)?
  private var listener: (any Listener)?
  private var unclaimed: [String: Unclaimed] = [:]

  /// How many connections the system queues until they are accepted; it may lower it.
  private static let backlog: Int32 = 1_024

  init(
    link: Link, stream: StreamID, limits: SocketLimits,
    takeSlot: @escaping () throws(SocketRefusal) -> SocketSlot
  ) {
    self.link = link
    self.stream = stream
    self.limits = limits
    self.takeSlot = takeSlot
  }

  /// Begins to listen, and reports the address to the client.
  ///
  /// - Throws: `TransportError` if the address can't be used.
  func listen(at address: SocketAddress) throws(TransportError) {
    let socket = try link.loop.bind(to: address, backlog: Self.backlog)
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
    let slot: SocketSlot
    do throws(SocketRefusal) { slot = try takeSlot() } catch {
      // The peer sees a reset. The client is not asked: it could not take the connection.
      return socket.close()
    }
    var generator = SystemRandomNumberGenerator()
    let name = Self.hex(generator.next()) + Self.hex(generator.next())
    let timer = link.loop.schedule(after: limits.claimTimeout) { [unowned self] in
      unclaimed.removeValue(forKey: name)?.socket.close()
      acceptIfRoom()
    }
    unclaimed[name] = Unclaimed(socket: socket, slot: slot, timer: timer)
    link.control(
      stream, .accepted(.init(connection: name, peer: socket.peerText)))
    if unclaimed.count >= limits.maxUnclaimed { listener?.suspend() }
  }

  /// Gives an accepted connection to its client; nil if there is none of that name.
  func claim(_ name: String) -> (socket: any ByteStream, slot: SocketSlot)? {
    guard let connection = unclaimed.removeValue(forKey: name) else { return nil }
    connection.timer.cancel()
    acceptIfRoom()
    return (connection.socket, connection.slot)
  }

  private func acceptIfRoom() {
    if unclaimed.count < limits.maxUnclaimed { listener?.resume() }
  }

  private static func hex(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
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
    for connection in unclaimed.values {
      connection.timer.cancel()
      connection.socket.close()
    }
    unclaimed = [:]
  }

  private func finish(_ closing: StreamClosing) {
    let didFinish = didFinish
    self.didFinish = nil
    didFinish?(self, closing)
  }
}
