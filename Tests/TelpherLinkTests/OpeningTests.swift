import TelpherLink
import TelpherTestSupport
import TelpherWire
import Testing

@Suite(.timeLimit(.minutes(15))) struct OpeningTests {
  /// Runs `body` with a client that gives its server 50 ms for the HELLO.
  private static func withShortLimit(
    fromFirstByte beginsWithFirstByte: Bool = true,
    _ body: (LinkFixture) async throws -> Void
  ) async throws {
    try await LinkFixture.with(
      role: .client,
      configure: {
        $0.openingLimit = 50_000_000
        $0.openingBeginsWithFirstByte = beginsWithFirstByte
      }, body)
  }

  @Test(arguments: [0, 1, hello().count - 1], [false, true])
  func aServerThatDoesNotFinishItsHelloIsDropped(_ count: Int, beginsWithFirstByte: Bool)
    async throws
  {
    guard count > 0 || !beginsWithFirstByte else { return }
    try await Self.withShortLimit(fromFirstByte: beginsWithFirstByte) { fixture in
      await fixture.peer.send(Array(hello().prefix(count)))
      let goAway = try await fixture.peer.frame(10)
      #expect(Array(goAway.payload[4..<8]) == big(UInt32(10)))
      try await fixture.peer.end()
    }
  }

  @Test func theTimeLimitCanStartWithTheFirstByte() async throws {
    try await Self.withShortLimit { fixture in
      await fixture.source.wait(200_000_000)
      await fixture.peer.send(hello())
      try await fixture.peer.sync()
      #expect(await fixture.source.end == nil)
    }
  }

  @Test func aServerMayBeSilentAfterItsHello() async throws {
    try await Self.withShortLimit { fixture in
      await fixture.peer.send(hello())
      await fixture.source.wait(200_000_000)
      try await fixture.peer.sync()
      #expect(await fixture.source.end == nil)
      #expect(await fixture.peer.hasEnded == false)
    }
  }
}
