import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15))) struct SocketLimitTests {
  @Test func aConnectionHasALimitedNumberOfSockets() async throws {
    try await Sockets.withService(configure: { $0.sockets.maxSocketsPerConnection = 2 }) {
      fixture, service in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1), Sockets.connect(3), Sockets.connect(5))
      #expect(try await client.result(5).contains("max_sockets_per_connection"))
      // Another client is not affected, and an ended socket makes room.
      let other = try await fixture.client()
      await other.send(Sockets.connect(1))
      try await other.frame(5, 1)
      // The socket of stream 1 is open, so its place is free as soon as the stream is reset. Before
      // that, the connect would hold it.
      try await client.frame(5, 1)
      await client.send(reset(1), Sockets.connect(7))
      try await client.frame(5, 7)
      await client.send(Sockets.connect(9))
      #expect(try await client.result(9).contains("max_sockets_per_connection"))
      _ = await service.socket()
    }
  }

  @Test func aCanceledConnectCountsUntilItHasEnded() async throws {
    try await Sockets.withService(configure: { $0.sockets.maxSocketsPerConnection = 1 }) {
      fixture, _ in
      let client = try await fixture.client()
      // The first connect ends after the server has read all of this.
      await client.send(Sockets.connect(1), reset(1), Sockets.connect(3))
      #expect(try await client.result(3).contains("max_sockets_per_connection"))
      await client.send(Sockets.connect(5))
      try await client.frame(5, 5)
    }
  }

  @Test func theServerHasALimitedNumberOfSockets() async throws {
    try await Sockets.withService(configure: { $0.sockets.maxSockets = 1 }) { fixture, _ in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1))
      try await client.frame(5, 1)
      let other = try await fixture.client()
      await other.send(Sockets.connect(1))
      #expect(try await other.result(1).contains("max_sockets)"))
    }
  }

  @Test func aConnectionHasALimitedNumberOfListeners() async throws {
    try await Fixture.inMemory(configure: { $0.sockets.maxListenersPerConnection = 1 }) { fixture in
      let client = try await fixture.client()
      await client.send(Sockets.listen(1))
      try await client.frame(5, 1)
      await client.send(Sockets.listen(3, "tcp:127.0.0.1:81"))
      #expect(try await client.result(3).contains("max_listeners_per_connection"))
    }
  }

  @Test(arguments: [0, 1, 2])
  func aConfinedServerOpensNoSockets(_ how: Int) async throws {
    try await Sockets.withService(configure: {
      switch how {
      case 0: $0.forwardsConnections = false
      case 1: $0.runsCommands = false
      default: $0.isReadOnly = true
      }
    }) { fixture, service in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1), Sockets.listen(3), Sockets.accept(5, "x"))
      for stream in [1, 3, 5] as [UInt32] {
        let result = try await client.result(stream)
        #expect(result.contains("refused") && result.contains("--no-forward"))
      }
      #expect(await service.sockets.isEmpty)
    }
  }

  @Test func anEndingServerListensNoMoreAndResetsSocketsAtItsLimit() async throws {
    try await Sockets.withService(configure: { $0.drainLimit = 1_000_000 }) { fixture, service in
      let client = try await fixture.client()
      await client.send(Sockets.connect(1), Sockets.listen(3))
      let socket = await service.socket()
      try await client.frame(5, 3)
      async let drained: Void = fixture.server.drain()
      #expect(try await client.result(3).contains("the server is ending"))
      try await client.frame(7, 1)
      try await socket.ended()
      #expect(await socket.wasReset)
      await client.close()
      await drained
    }
  }
}
