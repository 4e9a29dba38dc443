import Testing
import TelpherTestSupport
import TelpherWire

@Suite struct SessionOpeningTests {
  @Test(arguments: [Session.Role.client, .server])
  func `The preface and HELLO are sent first`(role: Session.Role) {
    let output = End(role).takeOutput()
    #expect(output.starts(with: preface))
    let frames = RawFrame.all(in: output)
    #expect(frames.count == 1)
    #expect(frames[0].type == 0x01)
    #expect(frames[0].stream == 0)
  }

  @Test func `A server that does not announce itself sends nothing at first`() {
    var session = Session(role: .server, hello: Hello(), announces: false)
    let before = session.output
    session.announce()
    let after = session.output
    #expect(before.isEmpty)
    #expect(after.starts(with: preface))
  }

  @Test func `A GOAWAY follows the preface and HELLO, even if they were not sent yet`() {
    var session = Session(role: .server, hello: Hello(), announces: false)
    session.goAway(.notAuthenticated, reason: "who are you?")
    session.announce()
    let output = session.output
    #expect(output.starts(with: preface))
    #expect(RawFrame.all(in: output).map(\.type) == [0x01, 0x0A])
  }

  @Test func `The peer's HELLO is the first event`() throws {
    let server = End(.server)
    let seen = try server.receive(
      preface + helloFrame(#"{"version":1,"window":7,"auth":{"nonce":"ab"}}"#) + openRun(1))
    guard case .event(.hello(let peer)) = seen.first else {
      Issue.record("no HELLO, but \(seen)")
      return
    }
    #expect(peer.window == 7)
    #expect(peer.auth == Hello.Auth(nonce: "ab"))
    #expect(seen.count == 2)
  }

  @Test(arguments: [
    openRun(1), data(1, .stdin, [1]), connectionWindow(1 << 30), ping([0, 0, 0, 0, 0, 0, 0, 0]),
    RawFrame(type: 0x33, payload: [1]).bytes,
  ])
  func `Another frame before HELLO is an error`(frame: [UInt8]) {
    #expect(End(.server).refusal(of: preface + frame) == .protocolError)
    #expect(End(.client).refusal(of: preface + frame) == .protocolError)
  }

  @Test func `A rejected client gets a GOAWAY instead of a HELLO`() throws {
    let seen = try End(.client).receive(preface + goAway(0))
    guard case .event(.goAway) = seen.first else {
      Issue.record("no GOAWAY, but \(seen)")
      return
    }
    #expect(seen.count == 1)
  }

  @Test func `A second HELLO is an error`() throws {
    #expect(try End.ready(.server).refusal(of: helloFrame()) == .protocolError)
    #expect(try End.ready(.client).refusal(of: helloFrame()) == .protocolError)
  }

  @Test(arguments: [
    "", "null", "[]", "{}", #"{"version":0}"#, #"{"version":2}"#, #"{"version":"1"}"#,
    #"{"version":1,"max_frame":65535}"#, #"{"version":1,"max_frame":16777216}"#,
    #"{"version":1,"max_frame":-1}"#, #"{"version":1,"max_frame":1.5}"#,
    #"{"version":1,"window":4611686018427387905}"#, #"{"version":1,"window":-1}"#,
    #"{"version":1,"window":18446744073709551616}"#,
    #"{"version":1,"connection_window":18446744073709551615}"#,
    #"{"version":1,"max_streams":4294967296}"#, #"{"version":1,"features":"zstd"}"#,
    #"{"version":1,"must":["quantum"]}"#, #"{"version":1"#, #"{"version":1} x"#,
  ])
  func `An invalid HELLO is an error`(json: String) {
    #expect(End(.server).refusal(of: preface + helloFrame(json)) == .protocolError)
  }

  @Test(arguments: [
    #"{"version":1,"max_frame":65536}"#, #"{"version":1,"max_frame":16777215}"#,
    #"{"version":1,"window":0,"connection_window":0,"max_streams":0}"#,
    #"{"version":1,"window":4611686018427387904}"#,
    #"{"version":1,"unheard_of":{"a":[1]},"must":["window"]}"#,
    #"{"version":1,"window":null}"#,
  ])
  func `A HELLO at the limits is accepted`(json: String) {
    #expect(End(.server).refusal(of: preface + helloFrame(json)) == nil)
  }

  @Test func `OPENs may follow the client's HELLO at once`() throws {
    let client = End(.client)
    _ = try client.open()
    let server = End(.server)
    let seen = try server.receive(client.takeOutput())
    #expect(
      seen.last
        == .event(.open(1, request: Array(#"{"op":"info"}"#.utf8), noInput: false)))
  }

  @Test func `No DATA may be sent before the peer's HELLO`() throws {
    let client = End(.client)
    let stream = try client.open()
    #expect(client.sendable(stream, .stdin) == 0)
    try client.receive(preface + helloFrame(#"{"version":1,"window":5}"#))
    #expect(client.sendable(stream, .stdin) == 5)
  }

  @Test func `A connection may end only after HELLO and between frames`() throws {
    let server = End(.server)
    #expect(!server.isAtBoundary)
    try server.receive(preface)
    #expect(!server.isAtBoundary)
    try server.receive(helloFrame())
    #expect(server.isAtBoundary)
    try server.receive([0])
    #expect(!server.isAtBoundary)
  }
}
