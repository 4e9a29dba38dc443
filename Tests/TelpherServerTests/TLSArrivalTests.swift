import TelpherAccess
import TelpherServer
import TelpherTLS
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import Testing

@Suite("Connections that do not complete the TLS handshake", .timeLimit(.minutes(5)))
struct TLSArrivalTests {
  /// Calls `body` with a server that listens with TLS.
  private func withServer(
    host: String = "127.0.0.1", configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (Fixture, SocketAddress) async throws -> Void
  ) async throws {
    try await Fixture.inMemory(configure: {
      $0.tokens = TokenSource(.random())
      configure(&$0)
    }) { fixture in
      let door = TLSDoor(try TLSContext(server: .random()))
      let address = try await fixture.server.listen(
        at: .tcp(host: host, port: 0), over: door)
      try await body(fixture, address)
    }
  }

  @Test("are closed if they are silent until their time is over")
  func silence() async throws {
    try await withServer(configure: { $0.helloTimeout = 20_000_000 }) { fixture, address in
      let peer = try await PlainSocket.connect(to: address, on: fixture.clientLoop)
      try await peer.ended()
    }
  }

  @Test("are closed if they do not speak TLS, also one that speaks the protocol without it")
  func noTLS() async throws {
    try await withServer { fixture, address in
      let peer = try await PlainSocket.connect(to: address, on: fixture.clientLoop)
      await peer.send("TELPHER1 is not TLS")
      try await peer.ended()
    }
  }

  @Test("lose their places to new ones, the oldest first")
  func places() async throws {
    try await withServer(configure: { ($0.maxStrangers, $0.maxStrangersPerSource) = (2, 2) }) {
      fixture, address in
      var peers: [PlainSocket] = []
      for _ in 0..<4 {
        peers.append(try await PlainSocket.connect(to: address, on: fixture.clientLoop))
      }
      try await peers[0].ended()
      try await peers[1].ended()
    }
  }

  /// In memory a client's address is that of the listener, so this one is not of the loopback network.
  @Test("get their address a penalty, which grows until it is not served any more")
  func penalties() async throws {
    try await withServer(host: "192.0.2.1") { fixture, address in
      // 1 s for each, up to the 15 s of `SourcePenalties.threshold`; the loop's clock goes on meanwhile.
      for _ in 0..<60 {
        let peer = try await PlainSocket.connect(to: address, on: fixture.clientLoop)
        await peer.send("TELPHER1 is not TLS")
        try await peer.ended()
      }
      // A silent one would have its time, which is 10 minutes in these tests.
      let peer = try await PlainSocket.connect(to: address, on: fixture.clientLoop)
      try await peer.ended()
      #expect(await peer.bytes == TLSAlert.accessDeniedRecord)
    }
  }

  @Test("are ended when the server ends")
  func drain() async throws {
    try await withServer { fixture, address in
      let peer = try await PlainSocket.connect(to: address, on: fixture.clientLoop)
      await fixture.server.drain()
      try await peer.ended()
    }
  }
}
