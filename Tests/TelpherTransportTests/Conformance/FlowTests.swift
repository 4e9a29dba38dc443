import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15)))
struct FlowTests {
  @Test(arguments: Backends.all, AddressKind.allCases)
  func streamsStartPaused(_ backend: TransportUnderTest, _ kind: AddressKind) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      client.write([1, 2, 3])
      client.finishWriting()
      try await stage.settle()
      #expect(server.reads.isEmpty)
      #expect(!server.hasEnded)
      server.resume()
      try await stage.until("the end") { server.hasEnded }
      #expect(server.bytes == [1, 2, 3])
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func aFullStreamQueuesAndReportsWhenItIsWritable(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      #expect(client.stream.queuedBytes == 0)
      let count = client.fill()
      #expect(client.stream.queuedBytes > 0)
      #expect(client.stream.queuedBytes <= count)
      try await stage.settle()
      #expect(client.writables == 0)
      server.resume()
      try await stage.until("room") { client.writables == 1 }
      #expect(client.stream.queuedBytes == 0)
      try await stage.until("all bytes") { server.bytes.count == count }
    }
  }

  @Test(arguments: Backends.all)
  func queuedBytesAreCounted(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      _ = client.fill()
      let before = client.stream.queuedBytes
      #expect(!client.write(head: [1, 2, 3], body: Chunk([4, 5])))
      #expect(client.stream.queuedBytes == before + 5)
      server.close()
    }
  }

  @Test(arguments: Backends.all)
  func onWritableIsCalledEachTime(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      for round in 1...3 {
        server.pause()
        _ = client.fill()
        server.resume()
        try await stage.until("room") { client.writables == round }
      }
    }
  }

  @Test(arguments: Backends.all)
  func aWriteFromWithinOnWritableWorks(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      var count = client.fill()
      client.didBecomeWritable = { [unowned client] in
        if client.writables <= 5 { count += client.fill() }
      }
      server.resume()
      try await stage.until("room, six times") { client.writables == 6 }
      try await stage.until("all bytes") { server.bytes.count == count }
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func pausingFromWithinOnReadStopsReads(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      server.stream.readLimit = 1000
      server.didRead = { [unowned server] in server.pause() }
      let sent = testBytes(20_000)
      client.write(sent)
      client.finishWriting()
      for round in 1...3 {
        server.resume()
        try await stage.until("a read") { server.reads.count == round }
        try await stage.settle()
        #expect(server.reads.count == round)
      }
      server.didRead = nil
      server.resume()
      try await stage.until("the end") { server.hasEnded }
      #expect(isSame(server.bytes, sent))
    }
  }

  @Test(arguments: Backends.all)
  func pausingFromOutsideStopsReads(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      server.resume()
      client.write([1])
      try await stage.until("a byte") { server.bytes.count == 1 }
      server.pause()
      client.write([2])
      try await stage.settle()
      #expect(server.bytes == [1])
      server.resume()
      try await stage.until("the other byte") { server.bytes == [1, 2] }
    }
  }

  @Test(arguments: Backends.all)
  func resumingAndThenPausingReadsNothing(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      client.write([1])
      try await stage.settle()
      server.resume()
      server.pause()
      try await stage.settle()
      #expect(server.reads.isEmpty)
      server.resume()
      server.resume()
      try await stage.until("a byte") { server.bytes == [1] }
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func readsStayWithinTheirLimit(_ backend: TransportUnderTest, _ kind: AddressKind) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      let sent = testBytes(30_000)
      client.write(sent)
      server.stream.readLimit = 700
      server.didRead = { [unowned server] in
        #expect(server.reads.last.map { $0 <= server.stream.readLimit } == true)
        // A limit that is set in the callback applies to the next read.
        server.stream.readLimit = server.reads.count % 2 == 0 ? 700 : 11
      }
      server.resume()
      try await stage.until("all bytes") { server.bytes.count == sent.count }
      #expect(isSame(server.bytes, sent))
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func unreadBytesAreCounted(_ backend: TransportUnderTest, _ kind: AddressKind) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      #expect(server.stream.unreadBytes == 0)
      client.write(testBytes(1000))
      try await stage.settle()
      #expect([0, 1000].contains(server.stream.unreadBytes))
      server.resume()
      try await stage.until("all bytes") { server.bytes.count == 1000 }
      #expect(server.stream.unreadBytes == 0)
    }
  }
}
