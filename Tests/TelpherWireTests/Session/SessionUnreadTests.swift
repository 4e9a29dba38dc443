import Testing
import TelpherTestSupport

@testable import TelpherWire

/// Streams whose consumers take nothing, and the credit of the others on the same connection.
@Suite struct SessionUnreadTests {
  private static let window = 64 << 10
  private static let block = [UInt8](repeating: 0, count: window)

  /// A server with `count` streams, each with a whole window that is not taken.
  private static func stalled(_ count: Int, growth: UInt64 = 128 << 20) throws -> End {
    let server = End(
      .server, Hello(window: UInt64(window), connectionWindow: 4 << 20), growth: growth)
    try server.receive(preface + helloFrame(#"{"version":1}"#))
    for stream in streams(count) {
      try server.receive(openRun(stream))
      try server.receive(data(stream, .stdin, block))
    }
    return server
  }

  private static func streams(_ count: Int) -> [StreamID] {
    (0..<count).map { 2 * StreamID($0) + 1 }
  }

  @Test(arguments: [1, 31, 32, 33, 64, 1_000])
  func `Streams that are not taken leave others at least a quarter of the window`(count: Int) throws
  {
    let server = try Self.stalled(count)
    let stream: StreamID = 9_001
    try server.receive(openRun(stream))
    for _ in 0..<200 {
      let window = server.connection.window
      #expect(window.limit - window.received >= 1 << 20)
      try server.receive(data(stream, .stdin, Self.block))
      server.consume(stream, .stdin, Self.block.count)
    }
    #expect(server.connection.window.outstanding <= UInt64(count * Self.window) + (4 << 20))
  }

  @Test func `Nothing grows without a limit for it, or beyond it`() throws {
    #expect(throws: WireError.self) { try Self.stalled(65, growth: 0) }
    // Three quarters of the window, and seven eighths of 8 MiB.
    #expect(try Self.stalled(160, growth: 8 << 20).connection.growth == 7 << 20)
    #expect(throws: WireError.self) { try Self.stalled(177, growth: 8 << 20) }
  }

  @Test func `What has grown is given back when the streams end`() throws {
    let server = try Self.stalled(100)
    #expect(server.connection.growth > 0)
    for stream in Self.streams(100) {
      try server.receive(reset(stream))
      server.session.abandon(stream)
    }
    #expect(server.connection.growth == 0)
    // The peer may still use the credit that it has.
    try server.receive(openRun(9_001))
    for _ in 0..<200 {
      try server.receive(data(9_001, .stdin, Self.block))
      server.consume(9_001, .stdin, Self.block.count)
    }
    #expect(server.connection.reserved == 0)
    #expect(server.connection.window.size == 4 << 20)
  }
}
