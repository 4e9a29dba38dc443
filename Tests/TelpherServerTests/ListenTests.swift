import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15))) struct ListenTests {
  @Test func anAcceptedConnectionIsAnnouncedAndTaken() async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.client()
      await client.send(Sockets.listen(1, "tcp:127.0.0.1:0"))
      let text = try await client.frame(5, 1).text
      let port = try #require(text.split(separator: ":").last?.prefix { $0.isNumber })
      let address = try SocketAddress(parsing: "tcp:127.0.0.1:\(port)")
      let visitor = try await PlainSocket.connect(to: address, on: fixture.clientLoop)
      await visitor.send("question")
      try await client.until("the visitor") { $0.frames.filter { $0.stream == 1 }.count == 2 }
      let name = try #require(await Sockets.announced(1, to: client).first)
      await client.send(Sockets.accept(3, name), data(3, 0, Array("answer".utf8), fin: true))
      try await visitor.until("the answer") { $0.text == "answer" && $0.hasEndedInOrder }
      await visitor.finishWriting()
      #expect(try await client.result(3) == #"{"bytes":{"0":6,"1":8},"result":"ok"}"#)
      #expect(await client.output(3) == Array("question".utf8))
      // A connection is taken once.
      await client.send(Sockets.accept(5, name))
      #expect(try await client.result(5).contains("refused"))
    }
  }

  @Test func anotherClientCannotTakeTheConnection() async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.client()
      await client.send(Sockets.listen(1))
      try await client.frame(5, 1)
      let visitor = try await PlainSocket.connect(
        to: .tcp(host: "127.0.0.1", port: 80), on: fixture.clientLoop)
      try await client.until("the visitor") { $0.frames.filter { $0.stream == 1 }.count == 2 }
      let name = try #require(await Sockets.announced(1, to: client).first)
      let other = try await fixture.client()
      await other.send(Sockets.accept(1, name))
      #expect(try await other.result(1).contains("there is no such connection"))
      await client.send(Sockets.accept(3, name))
      try await client.frame(5, 3)
      await visitor.close()
    }
  }

  @Test func anAddressInUseIsAnError() async throws {
    try await Fixture.inMemory { fixture in
      let client = try await fixture.client()
      await client.send(Sockets.listen(1))
      try await client.frame(5, 1)
      await client.send(Sockets.listen(3))
      let result = try await client.result(3)
      #expect(result.contains(#""result":"failed""#) && result.contains(#""errno":98"#))
      // After the first has ended the address is free.
      await client.send(control(1, #"{"cancel":true}"#))
      #expect(try await client.result(1).contains("canceled"))
      await client.send(Sockets.listen(5))
      #expect(try await client.frame(5, 5).text.contains("tcp:127.0.0.1:80"))
    }
  }

  @Test func aConnectionThatIsNotTakenIsResetAfterATime() async throws {
    try await Fixture.inMemory(configure: { $0.sockets.claimTimeout = 1_000_000 }) { fixture in
      let client = try await fixture.client()
      await client.send(Sockets.listen(1))
      try await client.frame(5, 1)
      let visitor = try await PlainSocket.connect(
        to: .tcp(host: "127.0.0.1", port: 80), on: fixture.clientLoop)
      try await visitor.ended()
      #expect(await visitor.wasReset)
      let name = try #require(await Sockets.announced(1, to: client).first)
      await client.send(Sockets.accept(3, name))
      #expect(try await client.result(3).contains("waited for too long"))
    }
  }

  /// The reason is the answer to `accept`.
  @Test func aConnectionBeyondTheLimitIsResetAndItsClientGetsTheReason() async throws {
    try await Fixture.inMemory(configure: {
      $0.sockets.maxSocketsPerConnection = 1
      $0.sockets.maxUnclaimed = 2
    }) { fixture in
      let client = try await fixture.client()
      await client.send(Sockets.listen(1))
      try await client.frame(5, 1)
      var visitors: [PlainSocket] = []
      for _ in 0..<3 {
        visitors.append(
          try await PlainSocket.connect(
            to: .tcp(host: "127.0.0.1", port: 80), on: fixture.clientLoop))
      }
      try await visitors[1].ended()
      #expect(await visitors[1].wasReset)
      // Refused ones wait for the client as accepted ones do, so the third is not accepted yet.
      try await client.until("two") { $0.frames.filter { $0.stream == 1 }.count == 3 }
      try await client.sync()
      let names = await Sockets.announced(1, to: client)
      #expect(names.count == 2)
      await client.send(Sockets.accept(3, names[1]))
      let result = try await client.result(3)
      #expect(result.contains("refused") && result.contains("max_sockets_per_connection"))
      await client.send(Sockets.accept(5, names[0]))
      try await client.frame(5, 5)
      try await visitors[2].ended()
      #expect(await visitors[0].end == nil)
    }
  }

  /// Further connections wait in the system's queue, and are announced when there is room.
  @Test func onlySomeConnectionsWaitToBeTaken() async throws {
    try await Fixture.inMemory(configure: { $0.sockets.maxUnclaimed = 2 }) { fixture in
      let client = try await fixture.client()
      await client.send(Sockets.listen(1))
      try await client.frame(5, 1)
      var visitors: [PlainSocket] = []
      for _ in 0..<5 {
        visitors.append(
          try await PlainSocket.connect(
            to: .tcp(host: "127.0.0.1", port: 80), on: fixture.clientLoop))
      }
      try await client.until("two") { $0.frames.filter { $0.stream == 1 }.count == 3 }
      try await client.sync()
      #expect(await Sockets.announced(1, to: client).count == 2)
      var stream: UInt32 = 1
      for index in 0..<5 {
        try await client.until("the next") { peer in
          peer.frames.filter { $0.stream == 1 }.count >= 2 + index
        }
        stream += 2
        await client.send(Sockets.accept(stream, await Sockets.announced(1, to: client)[index]))
        try await client.frame(5, stream)
      }
      #expect(Set(await Sockets.announced(1, to: client)).count == 5)
      for visitor in visitors { #expect(await visitor.end == nil) }
    }
  }
}
