import Testing

import TelpherTestSupport
@testable import TelpherWire

/// The actions that a client and a server may take, and the checks that must hold all the time.
struct SessionModel {
  /// One direction of one channel.
  struct Flow: Hashable {
    var stream: StreamID
    var channel: Channel
  }

  /// The actions and observations of one end.
  struct Side {
    let end: End
    /// Bytes that are in transit to this end.
    var arriving: [UInt8] = []
    var sent: [Flow: Int] = [:]
    var sentFin: Set<Flow> = []
    var got: [Flow: Int] = [:]
    var gotFin: Set<Flow> = []
    /// Bytes that arrived and were not taken.
    var waiting: [Flow: Int] = [:]
    /// Streams that this end closed or reset.
    var ended: Set<StreamID> = []
    var sentPings: [UInt64] = []
    var gotPongs: [UInt64] = []
    var sentControls: [StreamID: Int] = [:]
    var gotControls: [StreamID: Int] = [:]
  }

  var generator: SeededGenerator
  /// The client, then the server.
  var sides: [Side]
  let windows: [(channel: UInt64, connection: UInt64)]
  var nextPing: UInt64 = 0
  /// The memory that both ends' windows share.
  let budget: SingleThreadedBudget
  /// The bytes by which each end's windows may grow.
  static let growth: UInt64 = 500

  init(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    windows = (0..<2).map { _ in
      (.random(in: 1...200, using: &generator), .random(in: 1...400, using: &generator))
    }
    var hellos = windows.map {
      Hello(window: $0.channel, connectionWindow: $0.connection, maxStreams: 5)
    }
    hellos[0].features = Session.clientFeatures
    hellos[1].features = Session.serverFeatures
    let budget = SingleThreadedBudget(total: 700)
    self.budget = budget
    sides = zip([Session.Role.client, .server], hellos).map { role, hello in
      let end = End(role, hello, growth: Self.growth, budget: budget)
      // A long round trip, so that the windows grow.
      end.session.roundTrip.didSend(at: 0)
      end.session.roundTrip.didReceiveAnswer(at: 20_000_000)
      return Side(end: end)
    }
    self.generator = generator
  }

  /// The byte expected at an offset, so that a byte at a wrong position is detected.
  static func byte(_ side: Int, _ flow: Flow, _ offset: Int) -> UInt8 {
    UInt8(
      truncatingIfNeeded: offset * 31 + Int(flow.stream) * 7 + Int(flow.channel.rawValue) + side)
  }

  mutating func random(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &generator) }

  func openStreams(_ side: Int) -> [StreamID] {
    let end = sides[side].end
    return (0...end.session.lastOpened).filter { end.session.isOpen($0) }
  }

  mutating func step() throws {
    let side = random(0...1)
    // Most steps are fast, and some are after a pause.
    let pause = random(0...40) == 0 ? 3_000_000_000 : UInt64(random(0...10_000_000))
    for side in 0...1 { sides[side].end.session.time += pause }
    switch random(0...19) {
    case 0, 1:
      if sides[0].end.openStreams < 5 { _ = try sides[0].end.open(noInput: random(0...3) == 0) }
    case 2...6: send(side)
    case 7...11: consume(side)
    case 12: endStream(side)
    case 13: control(side)
    case 14: ping(side)
    case 15: abandon(side)
    case 16:
      if random(0...3) == 0 { for side in 0...1 { sides[side].end.session.time += 11_000_000_000 } }
      sides[side].end.session.rest(at: sides[side].end.session.time)
    default: try deliver(side, upTo: random(0...300))
    }
    collect()
    checkWindows()
  }

  /// Checks that the connections' windows have grown by as much as those of their channels, and for
  /// unread bytes, and that no peer has credit that is not reserved.
  func checkWindows() {
    for (side, window) in zip(sides, windows) {
      let (connection, used, reserved) = side.end.connection
      #expect(connection.size == window.connection + used)
      #expect(connection.growth == used)
      #expect(side.end.grownBytes == used)
      #expect(connection.outstanding <= window.connection + reserved)
      #expect(reserved >= used && reserved <= Self.growth)
    }
    #expect(budget.used == sides.reduce(0) { $0 + $1.end.connection.reserved })
  }

  /// Moves the output of an end to the other end's transit queue.
  mutating func collect() {
    for side in 0...1 { sides[1 - side].arriving += sides[side].end.takeOutput() }
  }

  mutating func send(_ side: Int) {
    guard let stream = openStreams(side).randomElement(using: &generator) else { return }
    let flow = Flow(stream: stream, channel: Channel.allCases.randomElement(using: &generator)!)
    let isOpen = sides[side].end.session.streams[stream]?[flow.channel].sendFinished == false
    guard isOpen, sides[side].end.session.peerHello != nil else { return }
    let sendable = sides[side].end.sendable(stream, flow.channel)
    let start = sides[side].sent[flow, default: 0]
    let bytes = (0..<random(0...sendable)).map { Self.byte(side, flow, start + $0) }
    let fin = random(0...9) == 0
    sides[side].end.send(stream, flow.channel, bytes, fin: fin)
    sides[side].sent[flow] = start + bytes.count
    if fin { sides[side].sentFin.insert(flow) }
  }

  /// This includes streams that either side has ended meanwhile.
  mutating func consume(_ side: Int) {
    // Sorted, because the order of a dictionary differs between runs and a seed must repeat a run.
    let flows = sides[side].waiting.keys.sorted {
      ($0.stream, $0.channel.rawValue) < ($1.stream, $1.channel.rawValue)
    }
    guard let flow = flows.randomElement(using: &generator) else { return }
    let waiting = sides[side].waiting[flow]!
    let taken = random(0...waiting)
    sides[side].end.consume(flow.stream, flow.channel, taken)
    sides[side].waiting[flow] = taken == waiting ? nil : waiting - taken
  }

  mutating func endStream(_ side: Int) {
    guard let stream = openStreams(side).randomElement(using: &generator) else { return }
    sides[side].ended.insert(stream)
    if side == 1 && random(0...2) > 0 {
      sides[side].end.session.close(stream, CloseResult(.exited))
    } else {
      sides[side].end.session.reset(stream, .canceled, reason: "model")
    }
  }

  mutating func control(_ side: Int) {
    guard let stream = openStreams(side).randomElement(using: &generator) else { return }
    sides[side].end.session.control(stream, .cancel)
    sides[side].sentControls[stream, default: 0] += 1
  }

  mutating func ping(_ side: Int) {
    guard sides[side].end.session.peerHello != nil else { return }
    nextPing += 1
    sides[side].end.session.ping(nextPing)
    sides[side].sentPings.append(nextPing)
  }

  mutating func abandon(_ side: Int) {
    let lingering = sides[side].end.session.lingering.keys.sorted()
    guard let stream = lingering.randomElement(using: &generator) else { return }
    sides[side].end.session.abandon(stream)
    sides[side].waiting = sides[side].waiting.filter { $0.key.stream != stream }
  }

  mutating func deliver(_ side: Int, upTo count: Int) throws {
    let bytes = Array(sides[side].arriving.prefix(count))
    sides[side].arriving.removeFirst(bytes.count)
    for seen in try sides[side].end.receive(bytes) {
      switch seen {
      case .data(let stream, let channel, let bytes):
        let flow = Flow(stream: stream, channel: channel)
        let start = sides[side].got[flow, default: 0]
        let expected = bytes.indices.map { Self.byte(1 - side, flow, start + $0) }
        #expect(bytes == expected)
        sides[side].got[flow] = start + bytes.count
        sides[side].waiting[flow, default: 0] += bytes.count
        #expect(!sides[side].ended.contains(stream))
        #expect(!sides[side].gotFin.contains(flow))
      case .event(.fin(let stream, let channel)):
        let flow = Flow(stream: stream, channel: channel)
        #expect(sides[side].gotFin.insert(flow).inserted)
        #expect(sides[side].got[flow, default: 0] == sides[1 - side].sent[flow, default: 0])
      case .event(.close(let stream, _)), .event(.reset(let stream, _, _)): checkEnd(side, stream)
      case .event(.control(let stream, _)): sides[side].gotControls[stream, default: 0] += 1
      case .event(.pong(let number)): sides[side].gotPongs.append(number)
      case .event(.openPastLimit): Issue.record("the client keeps to the server's limit")
      case .event(.openWithoutRoom): Issue.record("there is room for every OPEN")
      default: break
      }
    }
    #expect(
      sides[side].end.session.connectionReceive.pending
        <= windows[side].connection + Self.growth)
  }

  /// When the peer has ended a stream, all its bytes on the stream have arrived.
  func checkEnd(_ side: Int, _ stream: StreamID) {
    for channel in Channel.allCases {
      let flow = Flow(stream: stream, channel: channel)
      #expect(sides[side].got[flow, default: 0] == sides[1 - side].sent[flow, default: 0])
      #expect(sides[side].gotFin.contains(flow) == sides[1 - side].sentFin.contains(flow))
    }
    #expect(sides[side].gotControls[stream] == sides[1 - side].sentControls[stream])
  }

  /// Ends all streams, delivers and takes everything, and checks that no credit is held.
  mutating func finish() throws {
    while true {
      for side in 0...1 { try deliver(side, upTo: .max) }
      collect()
      if sides.allSatisfy(\.arriving.isEmpty) { break }
    }
    for stream in openStreams(1) { sides[1].end.session.close(stream, CloseResult(.exited)) }
    collect()
    for _ in 0..<3 {
      for side in 0...1 {
        try deliver(side, upTo: .max)
        for (flow, count) in sides[side].waiting {
          sides[side].end.consume(flow.stream, flow.channel, count)
        }
        sides[side].waiting = [:]
      }
      collect()
    }
    for side in 0...1 { checkNothingHeld(side) }
    checkWindows()
    for side in sides { side.end.session.releaseWindows() }
    #expect(budget.used == 0)
  }

  func checkNothingHeld(_ side: Int) {
    let (own, other) = (sides[side].end, sides[1 - side].end)
    #expect(own.isAtBoundary)
    #expect(own.openStreams == 0)
    #expect(own.session.lingering.isEmpty)
    #expect(sides[side].gotPongs == sides[side].sentPings)
    let (receive, send) = (own.session.connectionReceive, other.session.connectionSend)
    #expect(receive.received == send.sent)
    #expect(receive.consumed == receive.received)
    #expect(receive.limit == send.limit)
    // The bytes that were taken and not granted again are less than half of the window.
    let size = windows[side].connection
    #expect(receive.limit + max(size / 2, 1) > receive.consumed + size)
  }
}
