import TelpherTransport
import Testing

/// An actor on a loop. Tests run on it, so that they can use the loop's handles directly.
actor Stage {
  nonisolated let rig: Rig
  nonisolated let loop: any EventLoop
  let events: Events

  init(_ rig: Rig, loop: any EventLoop) {
    self.rig = rig
    self.loop = loop
    events = Events(loop)
  }

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// Returns once `condition` holds; see `Events.until`.
  func until(
    _ what: String, at location: SourceLocation = #_sourceLocation, _ condition: () -> Bool
  ) async throws {
    try await events.until(what, at: location, condition)
  }

  func probe(_ stream: any ByteStream) -> Probe {
    Probe(stream, events)
  }

  func connect(to address: SocketAddress) async throws -> Probe {
    let outcome = Outcome<any ByteStream, TransportError>(events)
    loop.connect(to: address) { outcome.set($0) }
    return probe(try await outcome.get("connected to \(address)"))
  }

  /// Serves a new address and collects the connections.
  func listen(_ kind: AddressKind, backlog: Int32 = 128) throws -> Door {
    try serve(bind(to: rig.freshAddress(kind), backlog: backlog))
  }

  /// Binds a socket that is closed at the end of the test, unless `Rig.close` or a door has closed
  /// it.
  func bind(to address: SocketAddress, backlog: Int32 = 128) throws -> any BoundSocket {
    let socket = try loop.bind(to: address, backlog: backlog)
    rig.add(socket)
    return socket
  }

  /// Serves `socket` on this loop too.
  func serve(_ socket: any BoundSocket) throws -> Door {
    let events = events
    let door = Door(socket, rig)
    events.keep(door)
    door.listener = try loop.serve(socket) { [unowned door] stream in
      let probe = Probe(stream, events)
      door.accepted.append(probe)
      door.didAccept?(probe)
      events.happened()
    }
    return door
  }

  /// Both ends of a new connection.
  func pair(_ kind: AddressKind) async throws -> (client: Probe, server: Probe) {
    let door = try listen(kind)
    let client = try await connect(to: door.socket.address)
    try await until("accepted") { !door.accepted.isEmpty }
    door.close()
    return (client, door.accepted[0])
  }

  /// Runs several turns of the loop by sending a byte back and forth. All events that were due at
  /// once have then been delivered.
  func settle() async throws {
    let (client, server) = try await pair(.unix)
    client.resume()
    server.resume()
    for count in 1...5 {
      client.write([1])
      try await until("a byte there") { server.bytes.count == count }
      server.write([1])
      try await until("a byte back") { client.bytes.count == count }
    }
    client.close()
    server.close()
  }
}

/// A socket that one loop serves.
final class Door {
  let socket: any BoundSocket
  var listener: (any Listener)?
  var accepted: [Probe] = []
  var didAccept: ((Probe) -> Void)?

  private let rig: Rig

  init(_ socket: any BoundSocket, _ rig: Rig) {
    self.socket = socket
    self.rig = rig
  }

  /// Stops accepting and releases the address.
  func close() {
    listener?.close()
    rig.close(socket)
  }
}

/// Records the single call of a completion handler.
final class Outcome<Value, Failure: Error> {
  private let events: Events
  private var result: Result<Value, Failure>?
  private var isInCall = true

  init(_ events: Events) {
    self.events = events
  }

  func set(_ result: Result<Value, Failure>) {
    #expect(events.loop.isCurrent)
    #expect(!isInCall, "a callback came from within a call")
    #expect(self.result == nil, "called back twice")
    self.result = result
    events.happened()
  }

  /// Waits for the call and returns its value or throws its error.
  func get(_ what: String) async throws -> Value {
    isInCall = false
    try await events.until(what) { result != nil }
    guard let result else { throw NeverHappened(what: what) }
    return try result.get()
  }
}
