import TelpherTestSupport
@testable import TelpherWire

/// An event with the bytes instead of their range.
enum Seen: Equatable {
  case event(SessionEvent)
  case data(StreamID, Channel, [UInt8])
}

/// One end of a connection for tests: a session that takes bytes and records events. It is a class
/// because the expectation macros copy their operands and a session can't be copied.
final class End {
  var session: Session

  init(
    _ role: Session.Role, _ hello: Hello = Hello(), announces: Bool = true,
    prover: (any ConnectionProver)? = nil, verifier: (any SignatureVerifier)? = nil,
    growth: UInt64 = 0, budget: (any WindowBudget)? = nil
  ) {
    session = Session(
      role: role, hello: hello, announces: announces, prover: prover, verifier: verifier,
      growth: growth, budget: budget)
  }

  /// An end that has sent its HELLO and received the peer's.
  static func ready(
    _ role: Session.Role, _ own: Hello = Hello(), peer: String = #"{"version":1}"#
  ) throws -> End {
    let end = End(role, own)
    _ = try end.receive(preface + helloFrame(peer))
    _ = end.takeOutput()
    return end
  }

  /// A server with stream 1 open.
  static func serverWithStream(_ own: Hello = Hello(), peer: String = #"{"version":1}"#) throws
    -> End
  {
    let end = try ready(.server, own, peer: peer)
    _ = try end.receive(openRun(1))
    return end
  }

  /// A client with stream 1 open.
  static func clientWithStream(_ own: Hello = Hello(), peer: String = #"{"version":1}"#) throws
    -> End
  {
    let end = try ready(.client, own, peer: peer)
    _ = try end.open()
    _ = end.takeOutput()
    return end
  }

  @discardableResult
  func receive(_ bytes: [UInt8]) throws(WireError) -> [Seen] {
    var seen: [Seen] = []
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    let input = UnsafeRawBufferPointer(copy)
    var position = 0
    while let event = try session.nextEvent(in: input, at: &position) {
      if case .data(let stream, let channel, let range) = event {
        seen.append(.data(stream, channel, Array(input[range])))
      } else {
        seen.append(.event(event))
      }
    }
    return seen
  }

  func events(_ bytes: [UInt8]) throws -> [SessionEvent] {
    try receive(bytes).compactMap { if case .event(let event) = $0 { event } else { nil } }
  }

  /// The code with which `bytes` end the connection; nil if they don't end it.
  func refusal(of bytes: [UInt8]) -> ErrorCode? {
    do throws(WireError) {
      _ = try receive(bytes)
      return nil
    } catch {
      return error.code
    }
  }

  func open(noInput: Bool = false) throws(WireError) -> StreamID {
    try session.open(Array(#"{"op":"info"}"#.utf8), noInput: noInput)
  }

  func send(_ stream: StreamID, _ channel: Channel, _ bytes: [UInt8], fin: Bool = false) {
    session.data(stream, channel, count: bytes.count, fin: fin)
    session.output += bytes
  }

  func window(_ stream: StreamID, _ channel: Channel) -> UInt64 {
    session.window(of: stream, channel)
  }

  func growWindow(_ stream: StreamID, _ channel: Channel, to size: UInt64, part: UInt64 = 1) {
    session.growWindow(of: stream, channel, to: size, part: part)
  }

  func consume(_ stream: StreamID, _ channel: Channel, _ count: Int) {
    let now = session.time
    session.consume(stream, channel, count, at: now)
  }

  /// The window of the connection, its growth, and what is reserved for it.
  var connection: (window: ReceiveWindow, growth: UInt64, reserved: UInt64) {
    (session.connectionReceive, session.growth.used, session.growth.reserved)
  }

  /// The sum of what the channels of all open streams, and of the next one, have grown by, and of
  /// what the connection's window has grown by for unread bytes.
  var grownBytes: UInt64 {
    let early = (session.earlyReceive?.windows.values).map { $0.reduce(0) { $0 + $1.growth } } ?? 0
    return session.streams.states.reduce(session.unread.used + early) { sum, state in
      Channel.allCases.reduce(sum) { $0 + state[$1].receive.growth }
    }
  }

  func sendable(_ stream: StreamID, _ channel: Channel) -> Int {
    session.sendable(stream, channel)
  }

  func isOpen(_ stream: StreamID) -> Bool { session.isOpen(stream) }
  var openStreams: Int { session.openStreams }
  var isAtBoundary: Bool { session.isAtBoundary }
  var isGoingAway: Bool { session.isGoingAway }

  func takeOutput() -> [UInt8] {
    defer { session.output = [] }
    return session.output
  }

  func takeFrames() -> [RawFrame] { RawFrame.all(in: takeOutput()) }
}
