@testable import TelpherWire

/// A client that sends as much as it may to a server far away, in simulated time: a link with a
/// delay and a rate, without loss. All times are in milliseconds.
struct FarLink {
  /// What is in transit to the server: the frames, and the payload bytes after the last header.
  private struct Parcel {
    var arrivesAt: Double
    var frames: [UInt8]
    var payload = 0
  }

  /// How a stream's input is consumed: bytes per millisecond at a time.
  typealias Consumer = @Sendable (_ now: Double) -> Int

  let client: End
  let server: End
  let roundTrip: Double
  /// The rate of the link in bytes per millisecond.
  let rate: Int
  private(set) var now: Double
  private var toServer: [Parcel] = []
  private var toClient: [Parcel] = []
  private var consumers: [StreamID: Consumer] = [:]
  private var anticipating: Set<StreamID> = []
  private var paused: Set<StreamID> = []
  /// Bytes of each stream that the server has received and the consumer has not taken.
  private(set) var unread: [StreamID: Int] = [:]
  /// Bytes of each stream that its consumer has taken.
  private(set) var taken: [StreamID: Int] = [:]
  private let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 1)

  /// - Parameter knowsFeatures: whether the client takes early windows and returns credit.
  init(
    roundTrip: Double, rate: Int = 350_000, growth: UInt64 = 64 << 20,
    budget: (any WindowBudget)? = nil, knowsFeatures: Bool = false
  ) throws {
    self.roundTrip = roundTrip
    self.rate = rate
    now = 1_000
    var hello = Hello()
    hello.features = Session.clientFeatures
    client = End(.client, knowsFeatures ? hello : Hello())
    hello = Hello(window: 256 << 10, connectionWindow: 4 << 20)
    hello.features = Session.serverFeatures
    server = End(.server, hello, growth: growth, budget: budget)
    _ = try server.receive(client.takeOutput())
    server.session.announce()
    _ = try client.receive(server.takeOutput())
    zeros.initializeMemory(as: UInt8.self, repeating: 0)
  }

  func free() { zeros.deallocate() }

  /// Opens a stream whose input is consumed by `consumer`.
  ///
  /// - Parameter anticipates: whether the server grants at once what the connection has learned.
  mutating func open(
    _ consumer: @escaping Consumer, anticipates: Bool = false
  ) throws -> StreamID {
    let stream = try client.open()
    consumers[stream] = consumer
    if anticipates { anticipating.insert(stream) }
    return stream
  }

  /// The client sends nothing more on a stream before `resume`.
  mutating func pause(_ stream: StreamID) { paused.insert(stream) }

  mutating func resume(_ stream: StreamID) { paused.remove(stream) }

  mutating func close(_ stream: StreamID) throws {
    consumers[stream] = nil
    client.session.reset(stream, .canceled, reason: "")
    try flush()
  }

  /// Runs the link for `milliseconds`.
  mutating func run(_ milliseconds: Double) throws {
    let end = now + milliseconds
    while now < end { try tick() }
  }

  /// Makes both ends look for what is not used any more, at the current time.
  mutating func rest() throws {
    let time = UInt64(now * 1_000_000)
    client.session.rest(at: time)
    server.session.rest(at: time)
    try flush()
  }

  /// Lets time pass without any event.
  mutating func idle(_ milliseconds: Double) { now += milliseconds }

  private mutating func tick() throws {
    now += 1
    server.session.time = UInt64(now * 1_000_000)
    client.session.time = server.session.time
    while let parcel = toClient.first, parcel.arrivesAt <= now {
      toClient.removeFirst()
      _ = try client.receive(parcel.frames)
    }
    while let parcel = toServer.first, parcel.arrivesAt <= now {
      toServer.removeFirst()
      try receive(parcel)
    }
    consume()
    try send()
    try flush()
  }

  private mutating func receive(_ parcel: Parcel) throws {
    for seen in try server.receive(parcel.frames) {
      if case .event(.open(let stream, _, _)) = seen {
        // Only commands run here.
        server.session.expectLittle(stream, .file)
        guard anticipating.contains(stream) else { continue }
        server.session.anticipate(
          stream, .stdin, isProven: false, at: UInt64(now * 1_000_000))
      }
      if case .event(.reset(let stream, _, _)) = seen {
        if let left = unread.removeValue(forKey: stream), left > 0 {
          server.session.abandon(stream)
        }
      }
    }
    guard parcel.payload > 0 else { return }
    var position = 0
    let input = UnsafeRawBufferPointer(rebasing: zeros[..<parcel.payload])
    while let event = try server.session.nextEvent(in: input, at: &position) {
      guard case .data(let stream, _, let range) = event else { continue }
      unread[stream, default: 0] += range.count
    }
  }

  private mutating func consume() {
    for stream in unread.keys.sorted() {
      let count = min(unread[stream] ?? 0, consumers[stream]?(now) ?? 0)
      guard count > 0 else { continue }
      server.consume(stream, .stdin, count)
      unread[stream, default: 0] -= count
      taken[stream, default: 0] += count
    }
  }

  /// Sends what a tick allows, divided among the streams.
  private mutating func send() throws {
    let streams = consumers.keys.filter { !paused.contains($0) }.sorted()
    for stream in streams {
      var room = rate / streams.count
      while room > 0 {
        let count = min(room, client.sendable(stream, .stdin), zeros.count)
        guard count > 0 else { break }
        client.session.data(stream, .stdin, count: count, fin: false)
        toServer.append(
          Parcel(arrivesAt: now + roundTrip / 2, frames: client.takeOutput(), payload: count))
        room -= count
      }
    }
  }

  private mutating func flush() throws {
    let (up, down) = (client.takeOutput(), server.takeOutput())
    if !up.isEmpty { toServer.append(Parcel(arrivesAt: now + roundTrip / 2, frames: up)) }
    if !down.isEmpty { toClient.append(Parcel(arrivesAt: now + roundTrip / 2, frames: down)) }
  }
}
