import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15)))
struct EndTests {
  @Test(arguments: Backends.all, AddressKind.allCases)
  func eachDirectionEndsSeparately(_ backend: TransportUnderTest, _ kind: AddressKind) async throws
  {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      client.resume()
      server.resume()
      client.write([1])
      client.finishWriting()
      try await stage.until("the end there") { server.hasEnded }
      #expect(server.bytes == [1])
      #expect(!client.hasEnded)
      server.write([2, 3])
      try await stage.until("the answer") { client.bytes == [2, 3] }
      server.finishWriting()
      try await stage.until("the end here") { client.hasEnded }
      #expect(server.ends == [nil])
      #expect(client.ends == [nil])
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func theEndFollowsQueuedBytes(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      let count = client.fill()
      client.finishWriting()
      server.resume()
      try await stage.until("the end") { server.hasEnded }
      #expect(server.bytes.count == count)
      #expect(server.ends == [nil])
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func aCloseByThePeerIsReportedAsTheEnd(_ backend: TransportUnderTest, _ kind: AddressKind)
    async throws
  {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      server.write([1, 2])
      server.close()
      client.resume()
      try await stage.until("the end") { client.hasEnded }
      #expect(client.bytes == [1, 2])
      #expect(client.ends == [nil])
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func aCloseWithUnreadBytesIsReportedAsTheEnd(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      client.write(testBytes(100))
      try await stage.settle()
      server.close()
      client.resume()
      try await stage.until("the end") { client.hasEnded }
      // The system may report to the peer that its bytes were dropped.
      if let error = client.ends[0] { #expect(error.code == .broken) }
      #expect(client.ends.count == 1)
    }
  }

  @Test(arguments: Backends.all)
  func resumingAfterTheEndIsHarmless(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      client.finishWriting()
      server.resume()
      try await stage.until("the end") { server.hasEnded }
      server.resume()
      server.pause()
      server.resume()
      try await stage.settle()
      #expect(server.ends.count == 1)
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func closeDropsQueuedBytes(_ backend: TransportUnderTest, _ kind: AddressKind) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      let count = client.fill()
      let queued = client.stream.queuedBytes
      client.close()
      client.close()
      // The probe checks that no callback follows.
      server.resume()
      try await stage.until("the end") { server.hasEnded }
      #expect(server.bytes.count <= count - queued)
      try await stage.settle()
    }
  }

  @Test(arguments: Backends.all)
  func closeBeforeTheFirstReadCallsNothingBack(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      client.write([1])
      client.finishWriting()
      try await stage.settle()
      server.resume()
      server.close()
      try await stage.settle()
      #expect(server.reads.isEmpty)
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func closeFromWithinOnReadIsTheLastCallback(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      server.stream.readLimit = 10
      server.didRead = { [unowned server] in server.close() }
      client.write(testBytes(1000))
      server.resume()
      client.resume()
      try await stage.until("the end") { client.hasEnded }
      try await stage.settle()
      #expect(server.reads == [10])
    }
  }

  @Test(arguments: Backends.all)
  func closeFromWithinOnEndWorks(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      server.didEnd = { [unowned server] in server.close() }
      client.finishWriting()
      server.resume()
      client.resume()
      try await stage.until("the end") { client.hasEnded }
      #expect(server.ends.count == 1)
    }
  }

  @Test(arguments: Backends.all)
  func closeFromWithinOnWritableWorks(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      let count = client.fill()
      client.didBecomeWritable = { [unowned client] in client.close() }
      server.resume()
      try await stage.until("the end") { server.hasEnded }
      #expect(server.bytes.count == count)
      #expect(client.writables == 1)
    }
  }

  @Test(arguments: Backends.all)
  func closingThePeerFromWithinOnReadWorks(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      client.resume()
      server.resume()
      server.didRead = { client.close() }
      client.write([1])
      try await stage.until("the end") { server.hasEnded }
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func aFailedWriteIsReportedOnce(_ backend: TransportUnderTest, _ kind: AddressKind) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      server.close()
      // The first write may still succeed: only then does the system learn that the peer is gone.
      while client.failures.isEmpty {
        client.write([1])
        try await stage.settle()
      }
      client.write([2])
      client.write(body: Chunk([3]))
      try await stage.settle()
      #expect(client.failures.map(\.code) == [.broken])
      #expect(client.stream.queuedBytes == 0)
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func queuedBytesFailWhenThePeerCloses(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      _ = client.fill()
      server.close()
      try await stage.until("the failure") { client.failures.count == 1 }
      #expect(client.stream.queuedBytes == 0)
      #expect(client.writables == 0)
      client.write([1])
      try await stage.settle()
      #expect(client.failures.count == 1)
    }
  }

  @Test(arguments: Backends.all)
  func closeFromWithinOnWriteFailureWorks(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      client.didFail = { [unowned client] in client.close() }
      client.resume()
      _ = client.fill()
      server.close()
      try await stage.until("the failure") { client.failures.count == 1 || client.hasEnded }
      try await stage.settle()
    }
  }

  @Test(arguments: Backends.all)
  func aTCPConnectionCanBeClosedWithAReset(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.tcp)
      client.resume()
      server.stream.setResetsOnClose(true)
      server.close()
      try await stage.until("the end") { client.hasEnded }
      #expect(client.ends.map { $0?.code } == [.broken])
    }
  }

  /// Bytes and the reset have both arrived when the first read begins.
  @Test(arguments: Backends.all)
  func aResetDirectlyAfterBytesIsNoOrderlyEnd(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.tcp)
      server.write([1, 2])
      server.stream.setResetsOnClose(true)
      server.close()
      try await stage.settle()
      client.resume()
      try await stage.until("the end") { client.hasEnded }
      #expect(client.ends.map { $0?.code } == [.broken])
    }
  }

  @Test(arguments: Backends.all)
  func aResetOnCloseCanBeUndone(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.tcp)
      client.resume()
      server.stream.setResetsOnClose(true)
      server.write([1, 2])
      server.stream.setResetsOnClose(false)
      server.close()
      try await stage.until("the end") { client.hasEnded }
      #expect(client.bytes == [1, 2])
      #expect(client.ends == [nil])
    }
  }

  /// A Unix socket has no reset: its peer sees an end.
  @Test(arguments: Backends.all)
  func aUnixSocketClosesInOrder(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.unix)
      client.resume()
      server.stream.setResetsOnClose(true)
      server.close()
      try await stage.until("the end") { client.hasEnded }
      #expect(client.ends == [nil])
    }
  }

  @Test(arguments: Backends.all)
  func aResetOnCloseAfterCloseIsHarmless(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(.tcp)
      client.resume()
      server.close()
      server.stream.setResetsOnClose(true)
      try await stage.until("the end") { client.hasEnded }
      #expect(client.ends == [nil])
    }
  }
}
