import Testing

import TelpherTestSupport
@testable import TelpherWire

/// However a stream ends, the connection gets the credit for its bytes back exactly once.
@Suite struct SessionReturnedCreditTests {
  static let ten = [UInt8](repeating: 0, count: 10)

  static func server() throws -> End { try End.serverWithStream(Hello(connectionWindow: 100)) }

  /// The bytes that hold credit: they arrived and were not taken.
  static func held(_ end: End) -> UInt64 { end.session.connectionReceive.pending }

  /// A frame that gives an event, which shows that all input before it was handled.
  private static let pong = RawFrame(type: 0x09, payload: [1, 2, 3, 4, 5, 6, 7, 8]).bytes

  @Test func `Closing returns the credit of waiting bytes`() throws {
    let server = try Self.server()
    try server.receive(data(1, .stdin, Self.ten))
    #expect(Self.held(server) == 10)
    server.session.close(1, CloseResult(.exited))
    #expect(Self.held(server) == 0)
    server.consume(1, .stdin, 10)
    server.session.abandon(1)
    #expect(Self.held(server) == 0)
  }

  @Test func `Resetting returns the credit of waiting bytes`() throws {
    let server = try Self.server()
    try server.receive(data(1, .stdin, Self.ten))
    server.consume(1, .stdin, 3)
    server.session.reset(1, .canceled, reason: "")
    #expect(Self.held(server) == 0)
    server.consume(1, .stdin, 7)
    #expect(Self.held(server) == 0)
  }

  @Test func `Bytes that come after the close are returned at once`() throws {
    let server = try Self.server()
    server.session.close(1, CloseResult(.exited))
    for _ in 0..<100 { try server.receive(data(1, .stdin, Self.ten)) }
    #expect(Self.held(server) == 0)
    #expect(server.session.connectionReceive.received == 1_000)
  }

  @Test func `The rest of a frame whose stream was closed meanwhile is returned on arrival`()
    throws
  {
    let server = try Self.server()
    let frame = data(1, .stdin, Self.ten, fin: true)
    try server.receive(Array(frame[..<16]))
    server.consume(1, .stdin, 1)
    server.session.close(1, CloseResult(.exited))
    #expect(Self.held(server) == 6)
    #expect(try server.receive(Array(frame[16..<20])).isEmpty)
    #expect(Self.held(server) == 2)
    #expect(try server.receive(Array(frame[20...])).isEmpty)
    #expect(Self.held(server) == 0)
  }

  @Test func `A frame of which only the header had arrived is returned on arrival`() throws {
    let server = try Self.server()
    let frame = data(1, .stdin, Self.ten)
    try server.receive(Array(frame[..<12]))
    server.session.reset(1, .canceled, reason: "")
    #expect(Self.held(server) == 0)
    #expect(try server.receive(Array(frame[12...]) + Self.pong).count == 1)
    #expect(Self.held(server) == 0)
  }

  @Test func `Bytes of a stream that the peer reset wait for the consumer`() throws {
    let server = try Self.server()
    try server.receive(data(1, .stdin, Self.ten) + reset(1))
    #expect(Self.held(server) == 10)
    server.consume(1, .stdin, 4)
    #expect(Self.held(server) == 6)
    server.consume(1, .stdin, 6)
    #expect(Self.held(server) == 0)
    server.session.abandon(1)
    #expect(Self.held(server) == 0)
  }

  @Test func `Bytes of a stream that the server closed wait for the consumer`() throws {
    let client = try End.clientWithStream(Hello(connectionWindow: 100))
    try client.receive(data(1, .stdout, Self.ten) + data(1, .stderr, Self.ten) + close(1))
    client.consume(1, .stdout, 10)
    #expect(Self.held(client) == 10)
    client.consume(1, .stderr, 10)
    #expect(Self.held(client) == 0)
  }

  @Test func `Abandoning returns what the consumer will never take`() throws {
    let client = try End.clientWithStream(Hello(connectionWindow: 100))
    try client.receive(data(1, .stdout, Self.ten) + close(1))
    client.consume(1, .stdout, 4)
    client.session.abandon(1)
    #expect(Self.held(client) == 0)
    client.session.abandon(1)
    client.consume(1, .stdout, 6)
    #expect(Self.held(client) == 0)
  }

  @Test func `Closing or resetting a stream that the peer has reset returns the credit`() throws {
    let closing = try Self.server()
    try closing.receive(data(1, .stdin, Self.ten) + reset(1))
    closing.session.close(1, CloseResult(.canceled))
    #expect(Self.held(closing) == 0)
    let resetting = try Self.server()
    try resetting.receive(data(1, .stdin, Self.ten) + reset(1))
    resetting.session.reset(1, .canceled, reason: "")
    #expect(Self.held(resetting) == 0)
  }

  @Test func `Abandoning an open stream changes nothing`() throws {
    let server = try Self.server()
    try server.receive(data(1, .stdin, Self.ten))
    server.session.abandon(1)
    #expect(Self.held(server) == 10)
    #expect(server.isOpen(1))
  }
}
