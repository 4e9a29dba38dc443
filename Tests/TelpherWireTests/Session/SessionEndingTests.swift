import Testing

import TelpherTestSupport
@testable import TelpherWire

@Suite struct SessionEndingTests {
  @Test func `PING is answered with the same bytes`() throws {
    let server = try End.ready(.server)
    let bytes: [UInt8] = [0xFF, 0, 0x80, 1, 2, 3, 4, 5]
    #expect(try server.events(ping(bytes)) == [])
    #expect(server.takeFrames() == [RawFrame(type: 0x09, payload: bytes)])
  }

  @Test func `PONG carries the number of the PING`() throws {
    let client = try End.ready(.client)
    client.session.ping(0xABCD)
    let sent = client.takeFrames()
    #expect(sent.map(\.type) == [0x08])
    let answer = RawFrame(type: 0x09, payload: sent[0].payload).bytes
    #expect(try client.events(answer) == [.pong(0xABCD)])
  }

  @Test func `RESET carries the reason and the number of sent bytes`() throws {
    let client = try End.clientWithStream()
    client.send(1, .stdin, [1, 2, 3])
    _ = client.takeOutput()
    client.session.reset(1, .canceled, reason: "enough")
    #expect(client.takeOutput() == reset(1, 9, sent: 3, "enough"))
    #expect(!client.isOpen(1))
    client.session.reset(1, .canceled, reason: "again")
    #expect(client.takeOutput().isEmpty)
  }

  @Test func `RESET from the peer ends the stream`() throws {
    let server = try End.serverWithStream()
    let events = try server.events(reset(1, 10, sent: 1, "late"))
    #expect(events == [.reset(1, .timeout, reason: "late")])
    #expect(!server.isOpen(1))
  }

  @Test func `An unknown code is passed on`() throws {
    let events = try End.serverWithStream().events(reset(1, 4_000_000_000))
    #expect(events == [.reset(1, ErrorCode(rawValue: 4_000_000_000), reason: "")])
  }

  @Test(arguments: [0, 4, 8, 11]) func `A RESET that is too short is an error`(length: Int) throws {
    let frame = RawFrame(type: 0x07, stream: 1, payload: Array(repeating: 0, count: length)).bytes
    #expect(try End.serverWithStream().refusal(of: frame) == .protocolError)
  }

  @Test(arguments: [0, 4, 7]) func `A GOAWAY that is too short is an error`(length: Int) throws {
    let frame = RawFrame(type: 0x0A, payload: Array(repeating: 0, count: length)).bytes
    #expect(try End.clientWithStream().refusal(of: frame) == .protocolError)
  }

  @Test func `A reason that is not UTF-8 is escaped`() throws {
    let frame = RawFrame(type: 0x0A, payload: big(UInt32(1)) + big(UInt32(2)) + [0x61, 0xFF]).bytes
    let events = try End.clientWithStream().events(frame)
    #expect(events == [.goAway(last: 1, .internalError, reason: "a\\xff")])
  }

  @Test(arguments: ["x", "é", "€", "😀"])
  func `A long reason is cut between characters and fits`(character: String) throws {
    let client = try End.clientWithStream()
    client.session.reset(1, .canceled, reason: String(repeating: character, count: 2_000))
    client.session.goAway(.none, reason: String(repeating: character, count: 2_000))
    let bytes = client.takeOutput()
    #expect(Decoded.refusal(of: bytes) == nil)
    for (frame, head) in zip(RawFrame.all(in: bytes), [12, 8]) {
      let reason = frame.payload.dropFirst(head)
      #expect(reason.count > 1_000)
      #expect(String(validating: reason, as: UTF8.self) != nil)
    }
  }

  @Test func `After the server's GOAWAY a client opens no stream, and open ones finish`() throws {
    let client = try End.clientWithStream()
    let events = try client.events(goAway(1, 11, "bye"))
    #expect(events == [.goAway(last: 1, .shuttingDown, reason: "bye")])
    #expect(throws: WireError.self) { try client.open() }
    #expect(try client.receive(data(1, .stdout, [1])) == [.data(1, .stdout, [1])])
    #expect(try client.events(close(1)).count == 1)
  }

  @Test func `A GOAWAY without a last stream only asks, and both sides go on`() throws {
    let server = try End.serverWithStream()
    server.session.askToLeave(reason: "bye")
    let client = try End.clientWithStream()
    let events = try client.events(server.takeOutput())
    #expect(events == [.goAway(last: .max, .shuttingDown, reason: "bye")])
    #expect(try client.open() > 1)
    #expect(!server.isGoingAway && !client.session.isGoingAway)
  }

  @Test func `GOAWAY names the last accepted stream`() throws {
    let server = try End.serverWithStream()
    server.session.goAway(.shuttingDown, reason: "bye")
    #expect(server.takeOutput() == goAway(1, 11, "bye"))
    #expect(server.isGoingAway)
  }

  /// The client learns that they are not run and may run them elsewhere, so the server must not run
  /// them.
  @Test func `OPENs that arrive after the GOAWAY are not accepted`() throws {
    let server = try End.serverWithStream()
    server.session.goAway(.shuttingDown, reason: "")
    let late =
      openRun(3) + data(3, .stdin, [1, 2], fin: true) + control(3, "{}") + openRun(5) + reset(5)
    #expect(try server.receive(late).isEmpty)
    #expect(server.openStreams == 1)
    #expect(server.session.connectionReceive.pending == 0)
    _ = server.takeOutput()
    server.session.goAway(.none, reason: "")
    #expect(server.takeOutput() == goAway(1, 0, ""))
  }

  @Test func `A client's GOAWAY does not affect its own streams`() throws {
    let server = try End.serverWithStream()
    try server.receive(goAway(0))
    #expect(try server.receive(data(1, .stdin, [1])) == [.data(1, .stdin, [1])])
  }

  @Test func `The longest CLOSE fits whatever its message`() throws {
    let server = try End.serverWithStream()
    let message = String(repeating: "\u{1}", count: 65_000)
    server.session.close(1, CloseResult(.refused, message: message))
    #expect(Decoded.refusal(of: server.takeOutput()) == nil)
  }
}
