import TelpherClient
import TelpherFileStore
import TelpherTestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct InvalidListingTests {
  /// A hostile server could otherwise hold its client forever.
  @Test func theResultOfAServerWhoseAnswerIsInvalidIsNotAwaited() async throws {
    try await FakeServer.with { server in
      let connection = server.connection
      let running = Task { try await connection.list("x") }
      try await server.peer.frame(2, 1)
      await server.peer.send(data(1, 5, Array("no record\n".utf8)))
      let error = await #expect(throws: FileError.self) { _ = try await running.value }
      #expect(error?.code == .protocolError)
      try await server.peer.frame(7, 1)
    }
  }
}
