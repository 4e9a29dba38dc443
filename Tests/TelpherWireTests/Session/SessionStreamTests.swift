import Testing
import TelpherTestSupport
import TelpherWire

@Suite struct SessionStreamTests {
  @Test func `A client's streams are 1, 3, 5`() throws {
    let client = try End.ready(.client)
    let opened = [try client.open(), try client.open(noInput: true), try client.open()]
    #expect(opened == [1, 3, 5])
    let frames = client.takeFrames()
    #expect(frames.map(\.stream) == [1, 3, 5])
    #expect(frames.map(\.flags) == [0, 1, 0])
  }

  @Test func `OPEN carries its request`() throws {
    let server = try End.ready(.server)
    let events = try server.events(open(7, "{}", noInput: true))
    #expect(events == [.open(7, request: Array("{}".utf8), noInput: true)])
    #expect(server.isOpen(7))
  }

  @Test func `The longest OPEN arrives whole`() throws {
    let frame = open(
      1, #"{"op":"run","argv":["\#(String(repeating: "x", count: 65_512))"]}"#, noInput: false)
    let server = try End.ready(.server)
    try server.receive(Array(frame[..<30_000]))
    let events = try server.events(Array(frame[30_000...]))
    guard case .open(1, let request, _)? = events.first else {
      Issue.record("no OPEN, but \(events.count) events")
      return
    }
    #expect(request.count == 65_536)
    #expect(throws: Never.self) { try OpenRequest.decode(request) }
  }

  @Test(arguments: [UInt32(0), 2, 4]) func `A client's stream is odd`(stream: UInt32) throws {
    #expect(try End.ready(.server).refusal(of: openRun(stream)) == .streamState)
  }

  @Test func `A number is never used again`() throws {
    #expect(try End.ready(.server).refusal(of: openRun(5) + openRun(5)) == .streamState)
    #expect(try End.ready(.server).refusal(of: openRun(5) + openRun(3)) == .streamState)
    #expect(try End.ready(.server).refusal(of: openRun(5) + reset(5) + openRun(5)) == .streamState)
  }

  @Test func `The highest number may be opened`() throws {
    let server = try End.ready(.server)
    #expect(try server.events(openRun(.max)).count == 1)
    #expect(server.refusal(of: openRun(1)) == .streamState)
  }

  @Test func `A server opens no streams`() throws {
    #expect(try End.ready(.client).refusal(of: openRun(2)) == .protocolError)
  }

  @Test func `A client closes no streams`() throws {
    #expect(try End.serverWithStream().refusal(of: close(1)) == .protocolError)
  }

  static let strangers: [[UInt8]] = [
    data(3, .stdin, [1]), window(3, .stdout, 1 << 40), control(3, "{}"), reset(3),
    data(2, .stdin, [1]), window(2, .stdout, 1 << 40), control(2, "{}"), reset(2),
    control(0, "{}"), reset(0),
  ]

  @Test(arguments: strangers)
  func `A frame for a stream that was never opened is an error`(frame: [UInt8]) throws {
    #expect(try End.serverWithStream().refusal(of: frame) == .streamState)
    #expect(try End.clientWithStream().refusal(of: frame) == .streamState)
  }

  @Test func `CLOSE of a stream that was never opened is an error`() throws {
    #expect(try End.clientWithStream().refusal(of: close(3)) == .streamState)
    #expect(try End.clientWithStream().refusal(of: close(0)) == .streamState)
  }

  @Test(arguments: [
    data(1, .stdin, [1]), data(1, .stdin, [], fin: true), window(1, .stdout, 0), control(1, "{}"),
    reset(1),
  ])
  func `A frame that arrives after the server closed is dropped`(frame: [UInt8]) throws {
    let server = try End.serverWithStream()
    server.session.close(1, CloseResult(.exited))
    #expect(try server.receive(frame).isEmpty)
  }

  @Test(arguments: [
    data(1, .stdout, [1]), window(1, .stdin, 0), control(1, "{}"), reset(1), close(1),
  ])
  func `A frame that arrives after the client reset is dropped`(frame: [UInt8]) throws {
    let client = try End.clientWithStream()
    client.session.reset(1, .canceled, reason: "")
    #expect(try client.receive(frame).isEmpty)
  }

  @Test func `CLOSE ends the stream`() throws {
    let client = try End.clientWithStream()
    let events = try client.events(close(1, "{}"))
    #expect(events == [.close(1, result: Array("{}".utf8))])
    #expect(!client.isOpen(1))
    #expect(client.sendable(1, .stdin) == 0)
  }

  @Test func `A server accepts as many streams as its HELLO allows`() throws {
    let server = try End.ready(.server, Hello(maxStreams: 2))
    let events = try server.events(openRun(1) + openRun(3) + openRun(5))
    #expect(events.last == .openPastLimit(5))
    #expect(server.openStreams == 2)
    server.session.close(1, CloseResult(.exited))
    guard case .open(7, _, _)? = try server.events(openRun(7)).first else {
      Issue.record("a closed stream makes room for another")
      return
    }
  }

  @Test func `A stream beyond the limit can be answered and has no other effect`() throws {
    let server = try End.ready(.server, Hello(maxStreams: 1))
    try server.receive(openRun(1) + openRun(3))
    server.session.close(3, CloseResult(.refused, message: "too many"))
    #expect(server.takeFrames().map(\.type) == [0x06])
    #expect(try server.receive(data(3, .stdin, [1, 2], fin: true)).isEmpty)
    #expect(server.isOpen(1))
  }

  @Test func `A long OPEN is refused at its header before the server accepts the client`() throws {
    let server = End(.server)
    server.session = Session(role: .server, hello: Hello(), announces: false)
    try server.receive(preface + helloFrame())
    let header = Array(open(1, String(repeating: "x", count: 70_000), noInput: false).prefix(12))
    let error = #expect(throws: WireError.self) { try server.receive(header) }
    #expect(error?.code == .frameTooLarge)
  }

  @Test func `A long OPEN without room is dropped and can be answered`() throws {
    let server = try End.ready(.server)
    var asked: [UInt32] = []
    server.session.admitsLongOpen = { length in
      asked.append(length)
      return false
    }
    let long = String(repeating: "x", count: 70_000)
    let events = try server.events(
      open(1, long, noInput: false) + data(1, .stdin, [1], fin: true)
        + open(3, #"{"op":"info"}"#, noInput: false))
    #expect(asked == [70_000])
    #expect(events.first == .openWithoutRoom(1))
    #expect(events.count == 2 && server.isOpen(3) && !server.isOpen(1))
    server.session.close(1, CloseResult(.refused))
    #expect(server.takeFrames().map(\.type) == [0x06])
    server.session.admitsLongOpen = { _ in true }
    guard case .open(5, let request, _)? = try server.events(open(5, long, noInput: false)).first
    else {
      Issue.record("it is taken once there is room")
      return
    }
    #expect(request.count == 70_000)
  }

  @Test func `A client opens as many streams as the server allows`() throws {
    let client = try End.ready(.client, peer: #"{"version":1,"max_streams":2}"#)
    _ = try client.open()
    _ = try client.open()
    #expect(throws: WireError.self) { try client.open() }
    try client.receive(close(1))
    #expect(try client.open() == 5)
  }

  @Test func `CONTROL carries its JSON and is sent only on open streams`() throws {
    let server = try End.serverWithStream()
    #expect(
      try server.events(control(1, #"{"signal":2}"#))
        == [.control(1, message: Array(#"{"signal":2}"#.utf8))])
    server.session.close(1, CloseResult(.exited))
    _ = server.takeOutput()
    server.session.control(1, .cancel)
    #expect(server.takeOutput().isEmpty)
  }
}
