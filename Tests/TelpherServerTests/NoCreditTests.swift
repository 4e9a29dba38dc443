import TelpherServer
import TelpherTestSupport
import TelpherTransport
import Testing

/// Streams that begin while the connection has no credit left.
@Suite(.timeLimit(.minutes(15))) struct NoCreditTests {
  /// A client whose connection's window of 64 KiB is used up by a command on stream 1.
  private static func client(_ fixture: Fixture) async throws -> RawPeer {
    let client = try await fixture.client(
      #"{"version":1,"window":1048576,"connection_window":65536}"#)
    await client.send(open(1, #"{"op":"run","argv":["yes"]}"#))
    try await client.until("a full window") { $0.dataBytes == 65_536 }
    return client
  }

  @Test func theOutputOfACommandComesWithTheNextCredit() async throws {
    try await Fixture.inMemory { fixture in
      let puppet = fixture.puppet()
      let client = try await Self.client(fixture)
      await client.send(TelpherServerTests.puppet(3))
      await puppet.started()
      await puppet.print("late")
      try await client.sync()
      await client.send(reset(1), connectionWindow(1 << 30))
      try await client.until("the output") { $0.output(3) == Array("late".utf8) }
      await puppet.exit()
      #expect(try await client.result(3).contains(#""bytes":{"1":4,"2":0}"#))
    }
  }

  @Test func theBytesOfASocketComeWithTheNextCredit() async throws {
    try await Sockets.withService { fixture, service in
      let client = try await Self.client(fixture)
      await client.send(Sockets.connect(3))
      let socket = await service.socket()
      await socket.send("late")
      try await client.sync()
      await client.send(reset(1), connectionWindow(1 << 30))
      try await client.until("the bytes") { $0.output(3) == Array("late".utf8) }
    }
  }
}
