import TelpherTransport
import TelpherTransportTesting
import Testing

/// Faults that only the memory backend can cause in a stream.
@Suite(.timeLimit(.minutes(15)))
struct MemoryFaultTests {
  @Test(arguments: [1, 10, 100_000])
  func aStreamBreaksAfterSoManyBytes(_ bytes: Int) async throws {
    try await Backends.memory.run { stage in
      let (client, server) = try await stage.pair(.tcp)
      (client.stream as? MemoryStream)?.cut(.writing, after: bytes)
      client.resume()
      server.resume()
      client.write(testBytes(200_000))
      try await stage.until("both see it") {
        server.hasEnded && client.hasEnded && !client.failures.isEmpty
      }
      #expect(isSame(server.bytes, Array(testBytes(200_000).prefix(bytes))))
      #expect(server.ends.map { $0?.code } == [.broken])
      #expect(client.ends.map { $0?.code } == [.broken])
      #expect(client.failures.map(\.code) == [.broken])
    }
  }

  @Test func theReadingDirectionCanBeCutFromTheReadersEnd() async throws {
    try await Backends.memory.run { stage in
      let (client, server) = try await stage.pair(.unix)
      (client.stream as? MemoryStream)?.cut(.reading, after: 3)
      client.resume()
      server.write([1, 2, 3, 4])
      try await stage.until("the end") { client.hasEnded }
      #expect(client.bytes == [1, 2, 3])
      #expect(client.ends.map { $0?.code } == [.broken])
    }
  }

  @Test func aStreamCanBreakAtOnce() async throws {
    try await Backends.memory.run { stage in
      let (client, server) = try await stage.pair(.unix)
      client.resume()
      server.resume()
      (client.stream as? MemoryStream)?.cut(.writing)
      try await stage.until("both ends") { client.hasEnded && server.hasEnded }
      server.write([1])
      try await stage.until("the failure") { server.failures.count == 1 }
    }
  }

  @Test func laterConnectionsCanBeCut() async throws {
    let network = MemoryNetwork()
    network.cutNextConnection(.reading, after: 2)
    try await TransportUnderTest(network).run { stage in
      let (first, firstServer) = try await stage.pair(.unix)
      let (second, secondServer) = try await stage.pair(.unix)
      for probe in [first, second] { probe.resume() }
      for probe in [firstServer, secondServer] { probe.write([1, 2, 3]) }
      try await stage.until("the end of the first") { first.hasEnded }
      try await stage.until("all of the second") { second.bytes.count == 3 }
      #expect(first.bytes == [1, 2])
    }
  }

  @Test func theSizeOfReadsCanBeLimited() async throws {
    var options = MemoryNetwork.Options()
    options.maximumRead = 1
    try await TransportUnderTest(MemoryNetwork(options: options)).run { stage in
      let (client, server) = try await stage.pair(.unix)
      server.resume()
      client.write([1, 2, 3])
      try await stage.until("all bytes") { server.bytes == [1, 2, 3] }
      #expect(server.reads == [1, 1, 1])
    }
  }

  @Test func aStreamHoldsItsCapacityAndQueuesTheRest() async throws {
    var options = MemoryNetwork.Options()
    options.pipeCapacity = 10
    try await TransportUnderTest(MemoryNetwork(options: options)).run { stage in
      let (client, server) = try await stage.pair(.unix)
      #expect(client.write(testBytes(10)))
      #expect(!client.write(testBytes(7)))
      #expect(client.stream.queuedBytes == 7)
      #expect(server.stream.unreadBytes == 10)
    }
  }

  @Test func aPeerIdentityCanBeSet() async throws {
    let network = MemoryNetwork()
    let stranger = PeerIdentity.network(address: "192.0.2.7", isLoopback: false)
    network.setPeer(stranger)
    try await TransportUnderTest(network).run { stage in
      let (client, server) = try await stage.pair(.tcp)
      #expect(server.stream.peer == stranger)
      #expect(client.stream.peer == .network(address: "127.0.0.1", isLoopback: true))
    }
  }
}

extension TransportUnderTest {
  /// A backend whose loops are on `network`.
  init(_ network: MemoryNetwork) {
    self.init("memory", hasDescriptors: false) { count in
      Rig(
        loops: (0..<count).map { _ in MemoryLoop(network: network) }, command: \.inMemory,
        raise: { network.raise($0) })
    }
  }
}
