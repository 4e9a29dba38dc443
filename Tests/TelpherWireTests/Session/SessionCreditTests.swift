import Testing
import TelpherTestSupport
import TelpherWire

@Suite struct SessionCreditTests {
  /// A server that grants 10 bytes per channel and 16 for the connection.
  static func narrow() throws -> End {
    let server = try End.serverWithStream(Hello(window: 10, connectionWindow: 16))
    try server.receive(openRun(3) + openRun(5))
    return server
  }

  @Test func `Exactly the channel's credit is taken, one byte more is an error`() throws {
    let exact = data(1, .stdin, Array(repeating: 0, count: 10))
    let server = try Self.narrow()
    #expect(try server.receive(exact).count == 1)
    #expect(server.refusal(of: data(1, .stdin, [0])) == .flowControl)
  }

  @Test func `A frame beyond the credit is refused at its first byte`() throws {
    let header = RawFrame(type: 0x03, stream: 1).header(length: 11)
    #expect(try Self.narrow().refusal(of: header + [0]) == .flowControl)
  }

  @Test func `The connection's credit bounds all streams together`() throws {
    let server = try Self.narrow()
    try server.receive(data(1, .stdin, Array(repeating: 0, count: 10)))
    try server.receive(data(3, .stdin, Array(repeating: 0, count: 6)))
    #expect(server.refusal(of: data(5, .stdin, [0])) == .flowControl)
  }

  @Test func `Taken bytes are granted again, to channel and connection`() throws {
    let server = try Self.narrow()
    try server.receive(data(1, .stdin, Array(repeating: 0, count: 10)))
    server.consume(1, .stdin, 4)
    #expect(server.takeOutput().isEmpty)
    server.consume(1, .stdin, 4)
    let granted = server.takeOutput()
    #expect(granted == connectionWindow(24) + window(1, .stdin, 18))
    #expect(try server.receive(data(1, .stdin, Array(repeating: 0, count: 8))).count == 1)
  }

  @Test func `A larger window applies only to its channel, from the next grant on`() throws {
    let server = try End.serverWithStream(Hello(window: 10, connectionWindow: 100))
    try server.receive(openRun(3))
    server.growWindow(1, .file, to: 40)
    server.growWindow(3, .file, to: 5)
    #expect(server.window(1, .file) == 40)
    #expect(server.window(1, .stdin) == 10)
    #expect(server.window(3, .file) == 10, "none is made smaller")
    server.growWindow(3, .file, to: 40, part: 8)
    #expect(server.window(3, .file) == 12, "an eighth of the connection's")
    server.growWindow(3, .file, to: 40, part: 16)
    #expect(server.window(3, .file) == 12)
    #expect(server.window(7, .file) == 0)
    #expect(server.takeOutput().isEmpty)
    try server.receive(data(1, .file, [0]))
    server.consume(1, .file, 1)
    #expect(server.takeOutput() == window(1, .file, 41))
    #expect(try server.receive(data(1, .file, Array(repeating: 0, count: 40))).count == 1)
    #expect(server.refusal(of: data(1, .file, [0])) == .flowControl)
  }

  @Test func `A channel that has ended is granted nothing more`() throws {
    let server = try Self.narrow()
    try server.receive(data(1, .stdin, Array(repeating: 0, count: 10), fin: true))
    server.consume(1, .stdin, 10)
    #expect(server.takeOutput() == connectionWindow(26))
  }

  @Test func `Sending stops at the peer's credit and continues with more`() throws {
    let client = try End.clientWithStream(
      peer: #"{"version":1,"window":10,"connection_window":12}"#)
    #expect(client.sendable(1, .stdin) == 10)
    client.send(1, .stdin, Array(repeating: 0, count: 10))
    #expect(client.sendable(1, .stdin) == 0)
    #expect(try client.events(window(1, .stdin, 15)) == [.credit(1, .stdin)])
    #expect(client.sendable(1, .stdin) == 2)
    #expect(try client.events(connectionWindow(20)) == [.credit(0, nil)])
    #expect(client.sendable(1, .stdin) == 5)
  }

  @Test func `A frame is at most as long as the peer accepts`() throws {
    let client = try End.clientWithStream(peer: #"{"version":1,"max_frame":65536}"#)
    #expect(client.sendable(1, .stdin) == 65_536)
  }

  @Test func `A falling window is an error`() throws {
    #expect(try End.clientWithStream().refusal(of: window(1, .stdin, 5)) == .flowControl)
    #expect(try End.clientWithStream().refusal(of: connectionWindow(5)) == .flowControl)
  }

  @Test(arguments: [WireConstants.maxOffset + 1, UInt64.max])
  func `A window above the highest offset is an error`(limit: UInt64) throws {
    #expect(try End.clientWithStream().refusal(of: window(1, .stdin, limit)) == .flowControl)
    #expect(try End.clientWithStream().refusal(of: connectionWindow(limit)) == .flowControl)
  }

  @Test func `A window of an unknown channel is an error`() throws {
    let frame = RawFrame(type: 0x04, stream: 1, channel: 9, payload: big(UInt64(1) << 40)).bytes
    #expect(try End.clientWithStream().refusal(of: frame) == .protocolError)
  }

  @Test func `A long transfer reuses a small window many times`() throws {
    let server = try Self.narrow()
    for _ in 0..<1_000 {
      try server.receive(data(1, .stdin, Array(repeating: 0, count: 10)))
      server.consume(1, .stdin, 10)
    }
    let last = server.takeFrames().last { $0.stream == 0 }
    #expect(last.map { number($0.payload) } == 10_016)
  }
}
