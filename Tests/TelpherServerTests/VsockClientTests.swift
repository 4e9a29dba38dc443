import TelpherAccess
import TelpherServer
import TelpherTestSupport
import TelpherTransport
import TelpherWire
import Testing

/// Clients by vsock: strangers, which prove that they know the token.
@Suite(.timeLimit(.minutes(1))) struct VsockClientTests {
  private static let token = Token.random()

  /// Runs `body` with a server that listens on all numbers of its machine, and with its port.
  private func withServer(
    tokens: TokenSource?, _ body: (Fixture, UInt32) async throws -> Void
  ) async throws {
    try await Fixture.inMemory {
      $0.tokens = tokens
    } _: { fixture in
      let address = try await fixture.server.listen(at: .vsock(.any, port: 0))
      guard case .vsock(.any, let port) = address else {
        Issue.record("\(address)")
        return
      }
      try await body(fixture, port)
    }
  }

  private func code(_ peer: RawPeer) async throws -> UInt32 {
    UInt32(number(try await peer.frame(10).payload[4..<8]))
  }

  @Test func aClientThatKnowsTheTokenIsAccepted() async throws {
    try await withServer(tokens: TokenSource(Self.token)) { fixture, port in
      let address = SocketAddress.vsock(.local, port: port)
      let client = try await RawPeer.connect(to: address, on: fixture.clientLoop)
      try await client.prove(Self.token, at: address)
      await client.send(open(1, #"{"op":"run","argv":["echo","x"]}"#))
      #expect(try await client.result(1).contains("exited"))
    }
  }

  /// A proof that was made for another machine can't be passed on to this one.
  @Test func aProofForAnotherMachineIsRefused() async throws {
    try await withServer(tokens: TokenSource(Self.token)) { fixture, port in
      let stranger = try await RawPeer.connect(
        to: .vsock(.local, port: port), on: fixture.clientLoop)
      await stranger.send(hello(provingHello))
      let transcript = try await stranger.transcript()
      let elsewhere = SocketAddress.vsock(VsockMachine(rawValue: 7), port: port)
      let proof = TokenProver(Self.token, at: elsewhere).proof(of: .client, over: transcript)
      await stranger.send(RawFrame(type: 11, payload: proof).bytes)
      #expect(try await code(stranger) == 6)
    }
  }

  @Test func aClientWithoutAProofIsRefused() async throws {
    try await withServer(tokens: TokenSource(Self.token)) { fixture, port in
      let stranger = try await RawPeer.connect(
        to: .vsock(.local, port: port), on: fixture.clientLoop)
      await stranger.send(hello())
      #expect(try await code(stranger) == 6)
    }
  }

  @Test func aServerWithoutATokenTakesNoClients() async throws {
    try await withServer(tokens: nil) { fixture, port in
      let stranger = try await RawPeer.connect(
        to: .vsock(.local, port: port), on: fixture.clientLoop)
      #expect(try await code(stranger) == 6)
    }
  }
}
