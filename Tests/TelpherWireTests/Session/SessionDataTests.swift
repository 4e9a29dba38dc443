import Testing
import TelpherTestSupport
import TelpherWire

@Suite struct SessionDataTests {
  @Test func `Bytes and FIN arrive on their channel`() throws {
    let server = try End.serverWithStream()
    let seen = try server.receive(data(1, .stdin, [1, 2, 3], fin: true))
    #expect(seen == [.data(1, .stdin, [1, 2, 3]), .event(.fin(1, .stdin))])
  }

  @Test func `An empty frame with FIN only ends the channel`() throws {
    let server = try End.serverWithStream()
    #expect(try server.receive(data(1, .stdin, [], fin: true)) == [.event(.fin(1, .stdin))])
  }

  @Test func `An empty frame without FIN has no effect`() throws {
    #expect(try End.serverWithStream().receive(data(1, .stdin, [])).isEmpty)
  }

  @Test func `FIN is reported after the last byte of a frame that arrives in pieces`() throws {
    let server = try End.serverWithStream()
    let frame = data(1, .stdin, [1, 2, 3], fin: true)
    #expect(try server.receive(Array(frame[..<13])) == [.data(1, .stdin, [1])])
    #expect(
      try server.receive(Array(frame[13...])) == [
        .data(1, .stdin, [2, 3]), .event(.fin(1, .stdin)),
      ])
  }

  @Test func `DATA after FIN is an error`() throws {
    let ended = data(1, .stdin, [1], fin: true)
    #expect(try End.serverWithStream().refusal(of: ended + data(1, .stdin, [2])) == .streamState)
    #expect(try End.serverWithStream().refusal(of: ended + ended) == .streamState)
  }

  @Test func `A FIN ends only its channel`() throws {
    let client = try End.clientWithStream()
    let seen = try client.receive(data(1, .stdout, [], fin: true) + data(1, .stderr, [7]))
    #expect(seen == [.event(.fin(1, .stdout)), .data(1, .stderr, [7])])
  }

  @Test func `NO_INPUT means that standard input has ended`() throws {
    let server = try End.ready(.server)
    try server.receive(openRun(1, noInput: true))
    #expect(server.refusal(of: data(1, .stdin, [1])) == .streamState)
    let client = try End.ready(.client)
    let stream = try client.open(noInput: true)
    #expect(client.sendable(stream, .stdin) == 0)
  }

  @Test(arguments: [Channel.stdout, .stderr])
  func `A client may not send on an output`(channel: Channel) throws {
    #expect(try End.serverWithStream().refusal(of: data(1, channel, [1])) == .streamState)
    #expect(try End.clientWithStream().sendable(1, channel) == 0)
  }

  @Test func `A server may not send on standard input`() throws {
    #expect(try End.clientWithStream().refusal(of: data(1, .stdin, [1])) == .streamState)
    #expect(try End.serverWithStream().sendable(1, .stdin) == 0)
  }

  @Test(arguments: [UInt8(6), 255]) func `An unknown channel is an error`(channel: UInt8) throws {
    let frame = RawFrame(type: 0x03, stream: 1, channel: channel, payload: [1]).bytes
    #expect(try End.serverWithStream().refusal(of: frame) == .protocolError)
  }

  @Test func `DATA on stream 0 is an error`() throws {
    #expect(try End.serverWithStream().refusal(of: data(0, .stdin, [1])) == .protocolError)
  }

  @Test func `A compressed frame is an error, because compression was not agreed on`() throws {
    let frame = RawFrame(type: 0x03, stream: 1, flags: 2, payload: [1]).bytes
    #expect(try End.serverWithStream().refusal(of: frame) == .protocolError)
  }

  @Test func `Unknown flags are ignored`() throws {
    let frame = RawFrame(type: 0x03, stream: 1, flags: 0xFC, payload: [1]).bytes
    #expect(try End.serverWithStream().receive(frame) == [.data(1, .stdin, [1])])
  }

  @Test func `Sending writes the header that the payload follows`() throws {
    let client = try End.clientWithStream()
    client.send(1, .stdin, [1, 2], fin: true)
    #expect(client.takeOutput() == data(1, .stdin, [1, 2], fin: true))
    #expect(client.sendable(1, .stdin) == 0)
  }

  @Test func `A stream that is closed between bytes and FIN reports no FIN`() throws {
    var session = Session(role: .server, hello: Hello())
    let bytes = preface + helloFrame() + openRun(1) + data(1, .stdin, [1], fin: true)
    var kinds: [String] = []
    try bytes.withUnsafeBytes { input in
      var position = 0
      while let event = try session.nextEvent(in: input, at: &position) {
        switch event {
        case .data(let stream, _, _):
          kinds.append("data")
          session.close(stream, CloseResult(.exited))
        case .fin: kinds.append("fin")
        default: break
        }
      }
    }
    #expect(kinds == ["data"])
  }
}
