import Glibc
import TelpherAccess
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import TelpherWire
import Testing

/// Clients on TCP: they are strangers until they have proven that they know the token.
@Suite(.timeLimit(.minutes(15))) struct StrangerTests {
  private static let token = Token.random()

  /// A server on a Unix socket and on TCP.
  private struct Stage {
    let fixture: Fixture
    let tcp: SocketAddress

    func stranger() async throws -> RawPeer { try await .connect(to: tcp, on: fixture.clientLoop) }

    /// A client that has authenticated.
    func client() async throws -> RawPeer {
      let peer = try await stranger()
      try await peer.prove(StrangerTests.token, at: tcp)
      try await peer.sync()
      return peer
    }
  }

  private func withStage(
    configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (Stage) async throws -> Void
  ) async throws {
    try await Fixture.inMemory(configure: {
      $0.tokens = TokenSource(Self.token)
      // A connection that lingers would make the tests time out.
      $0.link.lingerFor = 3_600_000_000_000
      configure(&$0)
    }) { fixture in
      let tcp = try await fixture.server.listen(at: .tcp(host: "127.0.0.1", port: 0))
      try await body(Stage(fixture: fixture, tcp: tcp))
    }
  }

  private func code(_ peer: RawPeer) async throws -> UInt32 {
    UInt32(number(try await peer.frame(10).payload[4..<8]))
  }

  @Test func aClientThatKnowsTheTokenIsAccepted() async throws {
    try await withStage { stage in
      let client = try await stage.client()
      await client.send(open(1, #"{"op":"run","argv":["echo","x"]}"#))
      #expect(try await client.result(1).contains("exited"))
    }
  }

  @Test func requestsBeforeTheProofAreRefused() async throws {
    try await withStage { stage in
      let puppet = stage.fixture.puppet()
      for first in [hello(), hello(provingHello), hello(#"{"version":1,"auth":{"token":"ab"}}"#)] {
        let stranger = try await stage.stranger()
        await stranger.send(first, TelpherServerTests.puppet())
        #expect(try await code(stranger) == 6)
        try await stranger.end()
      }
      let client = try await stage.client()
      await client.send(open(1, #"{"op":"info"}"#))
      #expect(try await client.result(1).contains(#""started":0"#))
      #expect(await puppet.starts == 0)
    }
  }

  @Test func aClientWithAnotherTokenIsRefused() async throws {
    try await withStage { stage in
      let stranger = try await stage.stranger()
      await stranger.send(hello(provingHello))
      let transcript = try await stranger.transcript()
      let proof = TokenProver(.random(), at: stage.tcp).proof(of: .client, over: transcript)
      await stranger.send(RawFrame(type: 11, payload: proof).bytes)
      #expect(try await code(stranger) == 6)
      try await stranger.end()
    }
  }

  @Test func aProofOfOneConnectionIsRefusedOnAnother() async throws {
    try await withStage { stage in
      let client = try await stage.stranger()
      let auth = try await client.prove(Self.token, at: stage.tcp)
      try await client.sync()
      let thief = try await stage.stranger()
      await thief.send(hello(provingHello), auth, open(1, #"{"op":"info"}"#))
      #expect(try await code(thief) == 6)
      try await thief.end()
    }
  }

  @Test func theServersOwnProofIsRefused() async throws {
    try await withStage { stage in
      let stranger = try await stage.stranger()
      await stranger.send(hello(provingHello))
      let proof = try await stranger.frame(11).payload
      await stranger.send(RawFrame(type: 11, payload: proof).bytes)
      #expect(try await code(stranger) == 6)
    }
  }

  @Test func aProofForAnotherAddressIsRefused() async throws {
    try await withStage { stage in
      let other = try await stage.fixture.server.listen(at: .tcp(host: "127.0.0.1", port: 0))
      let stranger = try await stage.stranger()
      await stranger.send(hello(provingHello))
      let transcript = try await stranger.transcript()
      let proof = TokenProver(Self.token, at: other).proof(of: .client, over: transcript)
      await stranger.send(RawFrame(type: 11, payload: proof).bytes)
      #expect(try await code(stranger) == 6)
    }
  }

  @Test func aStrangerWithoutAProofReceivesATimeout() async throws {
    try await withStage(configure: { $0.helloTimeout = 50_000_000 }) { stage in
      let stranger = try await stage.stranger()
      await stranger.send(hello(provingHello))
      #expect(try await code(stranger) == 10)
      try await stranger.end()
    }
  }

  @Test func aNewTokenAppliesOnlyToNewConnections() async throws {
    let path = "/tmp/telpher-rotated-\(UInt64.random(in: 0 ... .max))"
    let file = TokenFile(path)
    defer { unlink(path) }
    let first = try file.readOrMake()
    try await withStage(configure: { $0.tokens = TokenSource(file) }) { stage in
      let old = try await stage.stranger()
      try await old.prove(first, at: stage.tcp)
      try await old.sync()
      try file.rotate()
      let new = try await stage.stranger()
      try await new.prove(try file.read(), at: stage.tcp)
      try await new.sync()
      let late = try await stage.stranger()
      await #expect(throws: RawPeer.Missing.self) { try await late.prove(first, at: stage.tcp) }
      await old.send(open(1, #"{"op":"info"}"#))
      #expect(try await old.result(1).contains(#""connections":2"#))
      unlink(path)
      let none = try await stage.stranger()
      #expect(try await code(none) == 6)
      try await none.end()
    }
  }

  // MARK: Quotas

  @Test func strangersDoNotCountAsConnections() async throws {
    try await withStage(configure: { $0.maxConnections = 2 }) { stage in
      for _ in 0..<10 { try await stage.stranger().send(hello(provingHello)) }
      let owner = try await stage.fixture.client()
      let client = try await stage.client()
      await client.send(open(1, #"{"op":"info"}"#))
      #expect(try await client.result(1).contains(#""connections":2"#))
      try await owner.sync()
      // A client that has authenticated is refused like any other if the limit is reached.
      let third = try await stage.stranger()
      try await third.prove(Self.token, at: stage.tcp)
      #expect(try await code(third) == 7)
      await client.close()
    }
  }

  @Test func theOldestStrangerIsClosedPastTheLimit() async throws {
    try await withStage(configure: {
      $0.maxStrangers = 2
      $0.helloTimeout = 3_600_000_000_000
    }) { stage in
      let client = try await stage.client()
      let oldest = try await stage.stranger()
      await oldest.send(hello(provingHello))
      try await oldest.frame(11)
      var others: [RawPeer] = []
      for _ in 0..<2 {
        let stranger = try await stage.stranger()
        await stranger.send(hello(provingHello))
        try await stranger.frame(11)
        others.append(stranger)
      }
      #expect(try await oldest.frame(10).text.contains("max_strangers"))
      try await oldest.end()
      for other in others { #expect(await !other.hasEnded) }
      // Although all places are taken, honest clients can authenticate, and known ones stay
      // connected.
      for _ in 0..<3 { try await stage.client().close() }
      try await client.sync()
      #expect(await !client.hasEnded)
    }
  }

  @Test func aStrangerIsClosedAtOnceAfterAFault() async throws {
    try await withStage { stage in
      for bytes in [
        Array("GET / HTTP/1.1\r\n\r\n".utf8), hello("{"), hello(), preface + open(1, ""),
      ] {
        let stranger = try await stage.stranger()
        await stranger.send(bytes)
        try await stranger.frame(10)
        try await stranger.end()
      }
    }
  }

  @Test func aPeerOfAnotherMachineIsRefused() async throws {
    try await withStage { stage in
      stage.fixture.network?.setPeer(.network(address: "192.0.2.1", isLoopback: false))
      let stranger = try await stage.stranger()
      #expect(try await stranger.frame(10).text.contains("ssh://"))
      try await stranger.end()
    }
  }
}
