import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

/// A hub as its clients see it, frame by frame.
@Suite(.timeLimit(.minutes(15))) struct HubTests {
  private static let connect = Sockets.connect(1, "hub:web")

  /// Runs `body` with a hub and a client that has registered the name `web` with stream 1.
  private func withHub(
    configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (Fixture, RawPeer) async throws -> Void
  ) async throws {
    try await Fixture.inMemory(configure: { configuration in
      configuration.isHub = true
      configure(&configuration)
    }) { fixture in
      let server = try await fixture.client()
      await server.send(Sockets.listen(1, "hub:web"))
      #expect(try await server.frame(5, 1).text == #"{"opened":{"address":"hub:web"}}"#)
      try await body(fixture, server)
    }
  }

  /// Waits until `count` connections were announced to `server`.
  ///
  /// - Returns: their names.
  private func announced(_ count: Int = 1, to server: RawPeer) async throws -> [String] {
    try await server.until("connections") { peer in
      peer.frames.filter { $0.type == 5 && $0.stream == 1 }.count == 1 + count
    }
    return await Sockets.announced(1, to: server)
  }

  @Test func aConnectionPassesBothDirectionsAndTheirEnds() async throws {
    try await withHub { fixture, server in
      let client = try await fixture.client()
      // What is sent at once waits for the server.
      await client.send(Self.connect, data(1, 0, Array("question".utf8), fin: true))
      let name = try #require(await announced(to: server).first)
      await server.send(Sockets.accept(3, name))
      #expect(try await client.frame(5, 1).text == #"{"opened":{"address":"hub:web"}}"#)
      #expect(try await server.frame(5, 3).text == #"{"opened":{"address":"hub:web"}}"#)
      // The client has ended its side, and still receives.
      try await server.until("the question") { peer in
        peer.frames.contains { $0.type == 3 && $0.stream == 3 && $0.flags & 1 == 1 }
      }
      #expect(await server.output(3) == Array("question".utf8))
      await server.send(data(3, 0, Array("answer".utf8), fin: true))
      #expect(try await client.result(1) == #"{"bytes":{"0":8,"1":6},"result":"ok"}"#)
      #expect(try await server.result(3) == #"{"bytes":{"0":6,"1":8},"result":"ok"}"#)
      #expect(await client.output(1) == Array("answer".utf8))
      // It is taken once.
      await server.send(Sockets.accept(5, name))
      #expect(try await server.result(5).contains("refused"))
    }
  }

  @Test func aNameThatNobodyHasRegisteredIsAnError() async throws {
    try await withHub { fixture, _ in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1, "hub:other"))
      #expect(
        try await client.result(1)
          == #"{"message":"no server has registered the name other here","result":"failed"}"#)
      await client.send(Sockets.connect(3, "hub:../x"))
      #expect(try await client.result(3).contains("is not of the form hub:NAME"))
    }
  }

  @Test func aServerThatIsNoHubRefusesNames() async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1, "hub:web"), Sockets.listen(3, "hub:web"))
      for stream: UInt32 in [1, 3] {
        let result = try await client.result(stream)
        #expect(result.contains("no hub") && result.contains("refused"))
      }
    }
  }

  /// A hub runs nothing and forwards nowhere else.
  @Test func aHubMayForbidEverythingElse() async throws {
    try await withHub(configure: {
      $0.runsCommands = false
      $0.forwardsConnections = false
    }) { fixture, server in
      let client = try await fixture.client()
      await client.send(Self.connect, Sockets.connect(3, "tcp:127.0.0.1:7"))
      #expect(try await announced(to: server).count == 1)
      #expect(try await client.result(3).contains("forwards no connections"))
    }
  }

  @Test func aNewerRegistrationReplacesTheOlder() async throws {
    try await withHub { fixture, old in
      let new = try await fixture.client()
      await new.send(Sockets.listen(1, "hub:web"))
      try await new.frame(5, 1)
      let result = try await old.result(1)
      #expect(result.contains("another server") && result.contains(#""result":"failed""#))
      let client = try await fixture.client()
      await client.send(Self.connect)
      let name = try #require(await announced(to: new).first)
      // Another connection of the same identity can't take it.
      await old.send(Sockets.accept(3, name))
      #expect(try await old.result(3).contains("there is no such connection"))
    }
  }

  @Test func aServerThatDoesNotAnswerIsReported() async throws {
    try await withHub(configure: { $0.sockets.hubAnswerTimeout = 1_000_000 }) { fixture, server in
      let client = try await fixture.client()
      await client.send(Self.connect)
      let result = try await client.result(1)
      #expect(result.contains("has not answered within 1 ms") && result.contains("failed"))
      let name = try #require(await announced(to: server).first)
      await server.send(Sockets.accept(3, name))
      #expect(try await server.result(3).contains("waited for too long"))
    }
  }

  @Test func onlySomeConnectionsWaitForTheServer() async throws {
    try await withHub(configure: { $0.sockets.maxUnclaimed = 2 }) { fixture, server in
      let client = try await fixture.client()
      for stream: UInt32 in [1, 3, 5] { await client.send(Sockets.connect(stream, "hub:web")) }
      #expect(try await client.result(5).contains("max_unclaimed"))
      #expect(try await announced(2, to: server).count == 2)
    }
  }

  @Test func theConnectionsOfARegisteredServerAreLimited() async throws {
    try await withHub(configure: { $0.sockets.maxSocketsPerConnection = 1 }) { fixture, server in
      let first = try await fixture.client()
      await first.send(Self.connect)
      let name = try #require(await announced(to: server).first)
      await server.send(Sockets.accept(3, name))
      try await first.frame(5, 1)
      let second = try await fixture.client()
      await second.send(Self.connect)
      #expect(try await second.result(1).contains("max_sockets_per_connection"))
      // The place is free again after the end.
      await first.send(reset(1))
      try await server.frame(7, 3)
      try await eventually("a free place") {
        let third = try await fixture.client()
        await third.send(Self.connect)
        try await third.sync()
        return await third.frames.allSatisfy { $0.type != 6 }
      }
    }
  }

  /// Never a CLOSE: a part must not be taken for the whole.
  @Test func theEndOfEitherSideResetsTheOther() async throws {
    try await withHub { fixture, server in
      let client = try await fixture.client()
      await client.send(Self.connect)
      let names = try await announced(to: server)
      await server.send(Sockets.accept(3, names[0]), data(3, 0, Array("a part".utf8)))
      try await client.until("the part") { $0.dataBytes == 6 }
      let leaving = try await fixture.client()
      await leaving.send(Self.connect)
      let more = try await announced(2, to: server)
      await server.send(Sockets.accept(5, more[1]))
      try await leaving.frame(5, 1)
      await leaving.close()
      let toServer = try await server.frame(7, 5)
      #expect(Array(toServer.payload.prefix(4)) == [0, 0, 0, 13])
      await server.close()
      let toClient = try await client.frame(7, 1)
      #expect(Array(toClient.payload.prefix(4)) == [0, 0, 0, 13])
      #expect(await client.frames.allSatisfy { $0.type != 6 })
      // The name is free.
      await client.send(Sockets.connect(3, "hub:web"))
      #expect(try await client.result(3).contains("no server has registered"))
    }
  }

  /// The hub keeps a bounded number of bytes for a server that does not read.
  @Test func creditEndsIfTheServerReadsNothing() async throws {
    try await withHub { fixture, server in
      let reading = try await fixture.client(#"{"version":1,"window":0}"#)
      await reading.send(Sockets.listen(1, "hub:slow"))
      try await reading.frame(5, 1)
      let client = try await fixture.client()
      await client.send(Sockets.connect(1, "hub:slow"))
      let name = try #require(await announced(to: reading).first)
      await reading.send(Sockets.accept(3, name))
      try await client.frame(5, 1)
      var sent: UInt64 = 0
      var limit: UInt64 = 64 << 10
      while sent < limit {
        let count = min(limit - sent, 64 << 10)
        await client.send(data(1, 0, [UInt8](repeating: 7, count: Int(count))))
        sent += count
        try await client.sync()
        limit =
          await client.frames.filter { $0.type == 4 && $0.stream == 1 }
          .map { frame in frame.payload.reduce(0) { $0 << 8 | UInt64($1) } }.max() ?? limit
        #expect(sent < 1 << 20)
      }
      #expect(await reading.dataBytes == 0)
    }
  }
}
