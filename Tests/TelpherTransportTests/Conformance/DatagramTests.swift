import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15)))
struct DatagramTests {
  @Test(arguments: Backends.all)
  func aDatagramAndItsAnswerArriveWhole(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (left, right) = try (stage.openDatagrams(), stage.openDatagrams())
      try left.send("question", to: right)
      try await stage.until("the question") { right.received.count == 1 }
      #expect(right.texts == ["question"])
      #expect(right.received[0].sender == left.socket.address)
      try right.socket.send(Chunk("answer"), to: right.received[0].sender)
      try await stage.until("the answer") { left.texts == ["answer"] }
      #expect(left.received[0].sender == right.socket.address)
    }
  }

  @Test(arguments: Backends.all)
  func datagramsDoNotStickTogether(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (left, right) = try (stage.openDatagrams(), stage.openDatagrams())
      let texts = (1...50).map { "datagram \($0)" }
      for text in texts { try left.send(text, to: right) }
      try await stage.until("all of them") { right.received.count == texts.count }
      #expect(right.texts == texts)
    }
  }

  @Test(arguments: Backends.all)
  func anEmptyDatagramArrives(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (left, right) = try (stage.openDatagrams(), stage.openDatagrams())
      try left.send("", to: right)
      try left.send("behind it", to: right)
      try await stage.until("both") { right.received.count == 2 }
      #expect(right.texts == ["", "behind it"])
    }
  }

  @Test(arguments: Backends.all)
  func theLargestDatagramArrivesAndALargerOneIsRefused(
    _ backend: TransportUnderTest
  ) async throws {
    try await backend.run { stage in
      let (left, right) = try (stage.openDatagrams(), stage.openDatagrams())
      let bytes = testBytes(DatagramLimits.payloadBytes)
      try left.socket.send(Chunk(bytes), to: right.socket.address)
      try await stage.until("the largest") { right.received.count == 1 }
      #expect(isSame([UInt8](right.received[0].payload), bytes))
      let error = #expect(throws: TransportError.self) {
        try left.socket.send(Chunk(bytes + [0]), to: right.socket.address)
      }
      #expect(error?.code == .tooLong)
      try left.send("and on", to: right)
      try await stage.until("the next") { right.received.count == 2 }
      #expect(right.texts.last == "and on")
    }
  }

  @Test(arguments: Backends.all)
  func keptDatagramsStayUnchanged(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (left, right) = try (stage.openDatagrams(), stage.openDatagrams())
      let payloads = (0..<10).map { testBytes(1_000 * ($0 + 1), seed: UInt64($0)) }
      for (index, payload) in payloads.enumerated() {
        try left.socket.send(Chunk(payload), to: right.socket.address)
        try await stage.until("it") { right.received.count == index + 1 }
      }
      for (kept, payload) in zip(right.received, payloads) {
        #expect(isSame([UInt8](kept.payload), payload))
      }
    }
  }

  @Test(arguments: Backends.all)
  func sendingWithoutAReceiverIsNoError(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (left, right) = try (stage.openDatagrams(), stage.openDatagrams())
      let gone = try stage.openDatagrams()
      gone.close()
      for _ in 1...3 { try left.socket.send(Chunk("lost"), to: gone.socket.address) }
      try left.send("found", to: right)
      try await stage.until("the other one") { right.texts == ["found"] }
    }
  }

  @Test(arguments: Backends.all)
  func anAddressBelongsToOneSocketUntilItCloses(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let first = try stage.openDatagrams()
      let error = #expect(throws: TransportError.self) {
        try stage.openDatagrams(at: first.socket.address)
      }
      #expect(error?.code == .addressInUse)
      #expect(error?.message.contains("\(first.socket.address)") == true)
      first.close()
      // A real system closes it at the end of the turn.
      try await stage.settle()
      let second = try stage.openDatagrams(at: first.socket.address)
      try stage.openDatagrams().send("hello", to: second)
      try await stage.until("a datagram") { second.texts == ["hello"] }
    }
  }

  @Test(arguments: Backends.all)
  func localhostCanBeUsedForDatagrams(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let named = try stage.openDatagrams(at: DatagramAddress(host: "localhost", port: 0))
      #expect(named.socket.address.host == "localhost")
      #expect(named.socket.address.port != 0)
      let other = try stage.openDatagrams()
      try other.send("by name", to: named)
      try await stage.until("a datagram") { named.texts == ["by name"] }
      #expect(named.received[0].sender.host == "127.0.0.1")
    }
  }

  @Test(arguments: Backends.all)
  func aBadHostIsRefused(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let bad = DatagramAddress(host: "no.such.host.example", port: 9)
      let opening = #expect(throws: TransportError.self) { try stage.openDatagrams(at: bad) }
      #expect(opening?.code == .badAddress)
      let probe = try stage.openDatagrams()
      let sending = #expect(throws: TransportError.self) {
        try probe.socket.send(Chunk("x"), to: bad)
      }
      #expect(sending?.code == .badAddress)
    }
  }

  @Test(arguments: Backends.all)
  func noCallbackFollowsACloseFromWithinACallback(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (left, right) = try (stage.openDatagrams(), stage.openDatagrams())
      right.didReceive = { [unowned right] in right.close() }
      for text in ["first", "second", "third"] { try left.send(text, to: right) }
      try await stage.until("the first") { !right.received.isEmpty }
      try await stage.settle()
      #expect(right.texts == ["first"])
      // A second close has no effect.
      right.close()
      try right.socket.send(Chunk("into the void"), to: left.socket.address)
      try await stage.settle()
      #expect(left.received.isEmpty)
    }
  }

  @Test(arguments: Backends.all)
  func loopsReachEachOther(_ backend: TransportUnderTest) async throws {
    let rig = try backend.makeRig(2)
    let stages = rig.loops.map { Stage(rig, loop: $0) }
    let address = try await stages[1].openEcho()
    try await stages[0].exchange("over there", with: address)
    // One loop is shut down with open sockets; the other continues.
    await rig.loops[1].shutDown()
    await rig.loops[0].shutDown()
  }
}

/// A UDP socket that records the received datagrams.
final class DatagramProbe {
  private(set) var socket: any DatagramSocket
  private(set) var received: [(payload: Chunk, sender: DatagramAddress)] = []
  var didReceive: (() -> Void)?
  private var isClosed = false

  init(at address: DatagramAddress, _ events: Events) throws(TransportError) {
    let box = Box()
    socket = try events.loop.openDatagramSocket(at: address) { payload, sender in
      box.probe?.receive(payload, sender, events)
    }
    box.probe = self
    events.keep(self)
  }

  var texts: [String] { received.map { String(decoding: [UInt8]($0.payload), as: UTF8.self) } }

  func send(_ text: String, to other: DatagramProbe) throws(TransportError) {
    try socket.send(Chunk(text), to: other.socket.address)
  }

  func close() {
    isClosed = true
    socket.close()
  }

  private func receive(_ payload: Chunk, _ sender: DatagramAddress, _ events: Events) {
    #expect(events.loop.isCurrent)
    #expect(!isClosed, "a callback came after close")
    received.append((payload, sender))
    didReceive?()
    events.happened()
  }

  /// The socket's callback refers to the probe weakly, so that the socket does not retain it.
  private final class Box {
    weak var probe: DatagramProbe?
  }
}

extension Stage {
  /// A socket at a free port, or at `address`.
  @discardableResult
  func openDatagrams(
    at address: DatagramAddress = DatagramAddress(host: "127.0.0.1", port: 0)
  ) throws(TransportError) -> DatagramProbe {
    try DatagramProbe(at: address, events)
  }

  /// A socket that sends each datagram back.
  fileprivate func openEcho() throws -> DatagramAddress {
    let probe = try openDatagrams()
    probe.didReceive = { [unowned probe] in
      guard let (payload, sender) = probe.received.last else { return }
      try? probe.socket.send(payload, to: sender)
    }
    return probe.socket.address
  }

  fileprivate func exchange(_ text: String, with address: DatagramAddress) async throws {
    let probe = try openDatagrams()
    try probe.socket.send(Chunk(text), to: address)
    try await until("the echo") { probe.texts == [text] }
  }
}
