/// A session whose owner acts at random, with checks of what must always be true.
struct SessionOwner: ~Copyable {
  var session: Session
  private var choices: FuzzInput
  private var written: [UInt8] = []
  private var waiting: [(stream: StreamID, channel: Channel, count: Int)] = []
  private let maxStreams: UInt32 = 4
  /// The streams that a client had opened before the server's HELLO, which may allow fewer.
  private var openAtHello = 0
  /// The bytes by which the windows may grow together.
  private static let growth: UInt64 = 4_096

  init(_ role: Session.Role, _ input: FuzzInput) {
    choices = input
    let isReady = choices.choose(8) > 0
    var hello = Hello(
      maxFrame: WireConstants.minMaxFrame, window: [1, 10, 1_000][choices.choose(3)],
      connectionWindow: [1, 20, 1_500][choices.choose(3)], maxStreams: maxStreams)
    hello.features = role == .client ? Session.clientFeatures : Session.serverFeatures
    let nonce = String(repeating: "0a", count: WireConstants.nonceLength)
    let prover = choices.choose(4) == 0 ? SumProver() : nil
    if prover != nil { hello.auth = Hello.Auth(nonce: nonce) }
    session = Session(role: role, hello: hello, prover: prover, growth: Self.growth)
    // A long round trip, so that the windows grow.
    session.roundTrip.didSend(at: 0)
    session.roundTrip.didReceiveAnswer(at: 20_000_000)
    guard isReady else { return }
    // Most inputs start after the opening, because mutations seldom get the opening right.
    let auth = prover == nil ? "" : #","auth":{"nonce":"\#(nonce)"}"#
    let features = #","features":["early_windows","returned_credit"]"#
    let greeting =
      WireConstants.preface + Self.frame(.hello, Array(#"{"version":1\#(features)\#(auth)}"#.utf8))
    _ = greeting.withUnsafeBytes { receive($0) }
    if let prover, let transcript = session.unproven?.transcript {
      require(session.peerHello == nil, "a peer is known before its proof")
      let proof = prover.proof(of: role.other, over: transcript)
      _ = Self.frame(.auth, proof).withUnsafeBytes { receive($0) }
      require(session.peerHello != nil, "a right proof was not taken")
    }
    for _ in 0..<(role == .client ? choices.choose(5) : 0) { openStream() }
  }

  /// A trivial proof that anyone can make: this fuzzer does not test the strength of proofs.
  private struct SumProver: ConnectionProver {
    func proof(of role: Session.Role, over transcript: [UInt8]) -> [UInt8] {
      let sum = transcript.reduce(role == .client ? 1 : 2) { $0 &* 31 &+ Int($1) }
      return (0..<WireConstants.proofLength).map { UInt8(truncatingIfNeeded: sum &>> $0) }
    }

    func accepts(_ proof: [UInt8], of role: Session.Role, over transcript: [UInt8]) -> Bool {
      proof == self.proof(of: role, over: transcript)
    }
  }

  static func frame(_ type: FrameType, _ payload: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    FrameHeader(length: UInt32(payload.count), stream: 0, type: type).append(to: &bytes)
    return bytes + payload
  }

  /// Feeds the whole input in pieces, then checks the output.
  mutating func run() {
    var offset = 0
    while offset < choices.bytes.count {
      let length = min(1 + choices.choose(100), choices.bytes.count - offset)
      let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
      defer { piece.deallocate() }
      piece.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: choices.bytes[offset..<offset + length]))
      guard receive(UnsafeRawBufferPointer(piece)) else { break }
      offset += length
      act()
      checkCredit()
    }
    checkWritten()
  }

  private mutating func receive(_ input: UnsafeRawBufferPointer) -> Bool {
    var position = 0
    do throws(WireError) {
      while true {
        let (before, start, isOpening) = (
          session.output.count, position, session.peerHello == nil
        )
        let event = try session.nextEvent(in: input, at: &position)
        // The output per input is bounded by a PONG for a PING and a WINDOW for a dropped byte. The
        // exceptions are a HELLO and an AUTH: this side's own and the held-back frames follow.
        require(
          isOpening || session.output.count - before <= 20 * (position - start),
          "\(position - start) bytes made \(session.output.count - before)")
        guard let event else { break }
        take(event)
        let limit = session.role == .server ? maxStreams : session.peerHello?.maxStreams
        require(
          session.openStreams <= max(Int(limit ?? WireConstants.defaultMaxStreams), openAtHello),
          "too many streams")
        checkCredit()
      }
      require(position == input.count, "input was left over")
      return true
    } catch {
      session.goAway(error.code, reason: error.message)
      return false
    }
  }

  private mutating func take(_ event: SessionEvent) {
    switch event {
    case .open(let stream, let request, _):
      do throws(WireError) {
        _ = try OpenRequest.decode(request)
      } catch {
        session.close(stream, CloseResult(.refused, message: error.message))
      }
    case .openPastLimit(let stream), .openWithoutRoom(let stream):
      session.close(stream, CloseResult(.refused, message: "too many"))
    case .data(let stream, let channel, let range):
      require(session.isOpen(stream), "bytes of a stream that is over")
      waiting.append((stream, channel, range.count))
    case .control(_, let message): _ = try? ControlMessage.decode(message)
    case .close(_, let result): _ = try? CloseResult.decode(result)
    case .fin(let stream, _): require(session.isOpen(stream), "a FIN of a stream that is over")
    case .hello: openAtHello = session.openStreams
    case .credit, .reset, .ping, .pong, .goAway: break
    }
  }

  /// Does one random action of an owner.
  private mutating func act() {
    let stream = 1 + 2 * StreamID(choices.choose(6))
    switch choices.choose(16) {
    case 0...5:
      guard !waiting.isEmpty else { break }
      let taken = waiting.remove(at: choices.choose(waiting.count))
      session.time += UInt64(choices.choose(20)) * 1_000_000
      let now = session.time
      session.consume(taken.stream, taken.channel, taken.count, at: now)
    case 6...8:
      guard let channel = Channel(rawValue: UInt8(choices.choose(6))) else { break }
      let count = min(session.sendable(stream, channel), choices.choose(2_000))
      guard count > 0 else { break }
      session.data(stream, channel, count: count, fin: choices.choose(8) == 0)
      session.output.append(contentsOf: repeatElement(0, count: count))
    case 9:
      if session.role == .server && session.isOpen(stream) {
        session.close(stream, CloseResult(.exited))
      }
    case 10: session.reset(stream, .canceled, reason: "fuzz")
    case 11:
      session.abandon(stream)
      if !session.isOpen(stream) { waiting.removeAll { $0.stream == stream } }
    case 12: session.control(stream, .cancel)
    case 13: if choices.choose(8) == 0 { session.goAway(.shuttingDown, reason: "fuzz") }
    case 14: if session.role == .client { openStream() }
    case 15 where choices.choose(2) == 0:
      session.time += 11_000_000_000
      session.rest(at: session.time)
    default:
      written += session.output
      session.output = []
    }
  }

  private mutating func openStream() {
    // The session refuses it if too many streams are open, which is a valid result.
    _ = try? session.open(Array("{}".utf8), noInput: choices.choose(2) == 0)
  }

  /// Checks that all bytes that hold credit of the connection can still be taken or returned.
  private func checkCredit() {
    let open = session.streams.states.reduce(0) { $0 + $1.pending }
    let lingering = session.lingering.values.reduce(0, +)
    let dropped = session.incoming.map { $0.isDropped ? $0.left : 0 } ?? 0
    require(
      session.connectionReceive.pending == open + lingering + dropped,
      "\(session.connectionReceive.pending) held, \(open) + \(lingering) + \(dropped) to give back")
    let window = session.connectionReceive
    let initial = window.size - window.growth
    require(window.growth == session.growth.used, "the connection's window and its growth differ")
    require(
      window.outstanding <= initial + session.growth.reserved,
      "\(window.outstanding) outstanding, \(initial) + \(session.growth.reserved) reserved")
  }

  /// Checks that the peer can decode the output.
  private mutating func checkWritten() {
    written += session.output
    var decoder = FrameDecoder(maxFrame: session.peerHello?.maxFrame ?? .max)
    written.withUnsafeBytes { bytes in
      var position = 0
      do throws(WireError) {
        while try decoder.next(in: bytes, at: &position) != nil {}
      } catch {
        fatalError("the output is no conversation: \(error)")
      }
    }
    let atBoundary = decoder.isAtBoundary
    require(atBoundary, "the output ends within a frame")
  }
}
