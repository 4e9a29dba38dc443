import Glibc
import Synchronization
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import Testing

@Suite(.timeLimit(.minutes(15))) struct HelloTests {
  /// Faults of a client before its HELLO, and the code of the GOAWAY for each.
  static let faults: [(name: String, bytes: [UInt8], code: UInt32)] = [
    ("another protocol", Array("GET / HTTP/1.1\r\n\r\n".utf8), 1),
    ("4 GiB", preface + [255, 255, 255, 255, 0, 0, 0, 0, 1, 0, 0, 0], 4),
    ("no JSON", hello("{"), 1),
    ("another version", hello(#"{"version":2}"#), 1),
    ("an OPEN first", preface + puppet(), 1),
    ("a PING first", preface + ping(1), 1),
  ]

  @Test(arguments: faults.indices)
  func aStrangersFaultEndsOnlyItsOwnConnection(_ index: Int) async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      let stranger = try await fixture.stranger()
      await stranger.send(Self.faults[index].bytes, TelpherServerTests.puppet(3))
      let goAway = try await stranger.frame(10)
      #expect(Array(goAway.payload[4..<8]) == big(Self.faults[index].code))
      try await stranger.end()
      await client.send(open(1, #"{"op":"run","argv":["true"]}"#))
      #expect(try await client.result(1).contains("exited"))
      #expect(await puppet.starts == 0)
    }
  }

  @Test func aStrangerThatIsTooSlowReceivesTheReason() async throws {
    try await Fixture.inMemory(configure: { $0.helloTimeout = 20_000_000 }) { fixture in
      let stranger = try await fixture.stranger()
      await stranger.send(Array(preface.prefix(3)))
      #expect(Array(try await stranger.frame(10).payload[4..<8]) == big(UInt32(10)))
      try await stranger.end()
    }
  }

  @Test(arguments: SystemBackend.all)
  func aHelloThatArrivesWhileTheServerIsBlockedIsInTime(_ backend: SystemBackend) async throws {
    // On a busy machine the timeout may end before the server is blocked. Then try a longer
    // timeout.
    for timeout in [500_000_000, 2_000_000_000, 10_000_000_000, 60_000_000_000] as [UInt64] {
      if try await acceptsHelloAfterBlocking(backend, timeout) { return }
    }
    Issue.record("the machine is too busy")
  }

  /// Blocks the server's loop until after its timeout, sends a HELLO in the meantime, and checks
  /// that the server accepts it.
  ///
  /// - Returns: false if the loop was blocked too late for a valid test.
  private func acceptsHelloAfterBlocking(_ backend: SystemBackend, _ timeout: UInt64) async throws
    -> Bool
  {
    var isInTime = false
    try await Fixture.withProcesses(backend, configure: { $0.helloTimeout = timeout }) { fixture in
      let loop = fixture.serverLoop
      let end = loop.now + timeout + 100_000_000
      let stranger = try await fixture.stranger()
      // The server has accepted the connection before the second turn.
      for _ in 0..<2 { await withCheckedContinuation { done in loop.execute { done.resume() } } }
      let sent = Flag()
      let beganAt = await withCheckedContinuation { done in
        loop.execute {
          let beganAt = loop.now
          while !sent.isSet || loop.now < end { usleep(1_000) }
          done.resume(returning: beganAt)
        }
        Task {
          await stranger.send(hello(), open(1, #"{"op":"info"}"#))
          sent.set()
        }
      }
      isInTime = beganAt < end - 100_000_000 - timeout / 4
      if isInTime { #expect(try await stranger.result(1).contains("connections")) }
    }
    return isInTime
  }

  @Test func requestsOfARefusedUserAreIgnored() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      fixture.network?.setPeer(.user(uid: 12_345, pid: 1))
      let stranger = try await fixture.stranger()
      await stranger.send(hello(), TelpherServerTests.puppet())
      #expect(Array(try await stranger.frame(10).payload[..<8]) == big(UInt32(0)) + big(UInt32(6)))
      try await stranger.end()
      #expect(await puppet.starts == 0)
    }
  }

  @Test func requestsDirectlyAfterTheHelloAreAnswered() async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.stranger()
      let echo = open(3, #"{"op":"run","argv":["echo","x"]}"#)
      await client.send(hello(), open(1, #"{"op":"info"}"#), echo)
      #expect(try await client.result(1).contains(#""connections":1"#))
      #expect(try await client.result(3).contains(#""bytes":{"1":2,"2":0}"#))
    }
  }

  @Test func readsOfOneByteWork() async throws {
    var options = MemoryNetwork.Options()
    options.maximumRead = 1
    try await Fixture.inMemory(options: options) { fixture in
      let client = try await fixture.client()
      await client.send(open(1, #"{"op":"run","argv":["echo","x"]}"#))
      #expect(try await client.result(1).contains("exited"))
    }
  }

  @Test func aClientThatHalfClosesAtOnceReceivesItsAnswers() async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.stranger()
      await client.send(hello(), open(1, #"{"op":"info"}"#))
      await client.finishWriting()
      #expect(try await client.result(1).contains("connections"))
    }
  }

  @Test func connectionsPastTheLimitAreRefusedUntilOthersEnd() async throws {
    try await Fixture.inMemory(configure: { $0.maxConnections = 2 }) { fixture in
      let first = try await fixture.client()
      let second = try await fixture.client()
      let third = try await fixture.stranger()
      let reason = try await third.frame(10).text
      #expect(reason.contains("max_connections"))
      await second.close()
      await third.close()
      while try await connections(first) > 1 {}
      _ = try await fixture.client()
    }
  }

  @Test func commandsPastTheLimitAreRefusedUntilOthersEnd() async throws {
    try await Fixture.inMemory(configure: { $0.maxCommands = 1 }) { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(1), TelpherServerTests.puppet(3))
      #expect(try await client.result(3).contains("max_commands"))
      await puppet.started()
      await puppet.exit()
      _ = try await client.result(1)
      await client.send(open(5, #"{"op":"run","argv":["true"]}"#))
      #expect(try await client.result(5).contains("exited"))
    }
  }

  @Test func streamsPastTheLimitAreRefused() async throws {
    try await Fixture.inMemory(configure: { $0.maxStreams = 1 }) { fixture in
      let puppet = fixture.puppet()
      let client = try await fixture.client()
      await client.send(TelpherServerTests.puppet(1), TelpherServerTests.puppet(3))
      #expect(try await client.result(3).contains("too many streams"))
      await puppet.started()
      await puppet.exit()
      _ = try await client.result(1)
    }
  }

  @Test(arguments: [
    #"{"op":"dance"}"#, "{", #"{"op":"run"}"#, #"{"op":"run","argv":[]}"#,
    #"{"op":"run","argv":["a"],"shell":"b"}"#, #"{"op":"run","argv":["a\u0000"]}"#,
    #"{"op":"run","argv":["a"],"env":{"A=B":"c"}}"#, #"{"op":"run","argv":["a"],"grace_ms":-1}"#,
    #"{"op":"run","argv":["a"],"deadline_ms":604800001}"#,
    #"{"op":"run","argv":["a"],"limits":{"luck":1}}"#, #"{"op":"run","argv":["a"],"job":"x"}"#,
    #"{"op":"run","argv":["a"],"on_disconnect":"keep"}"#,
    #"{"op":"run","argv":["a"],"must":["wings"]}"#,
  ])
  func anInvalidRequestHarmsOnlyItsOwnStream(_ request: String) async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.client()
      await client.send(open(1, request), open(3, #"{"op":"run","argv":["true"]}"#))
      #expect(try await client.result(1).contains(#""result":"refused""#))
      #expect(try await client.result(3).contains("exited"))
    }
  }

  /// The number of connections that `info` reports.
  private func connections(_ client: RawPeer) async throws -> Int {
    let stream = UInt32(await client.frames.filter { $0.type == 6 }.count * 2 + 1)
    await client.send(open(stream, #"{"op":"info"}"#))
    let text = try await client.result(stream)
    let number = text.components(after: #""connections":"#)
    return Int(number.prefix { $0.isNumber }) ?? 0
  }
}

extension String {
  fileprivate func components(after word: String) -> Substring {
    guard let range = self.firstRange(of: word) else { return "" }
    return self[range.upperBound...]
  }
}

/// A flag that one thread sets for another.
private final class Flag: Sendable {
  private let state = Atomic<Bool>(false)
  var isSet: Bool { state.load(ordering: .acquiring) }
  func set() { state.store(true, ordering: .releasing) }
}
