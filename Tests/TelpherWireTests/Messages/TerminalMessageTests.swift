import Testing

@testable import TelpherWire

@Suite struct TerminalMessageTests {
  private static func terminal(_ keys: String) throws -> RunRequest.Terminal? {
    try OpenRequestTests.run(#""argv":["a"],"terminal":{\#(keys)}"#).terminal
  }

  @Test func `Every key of a terminal is decoded`() throws {
    let terminal = try Self.terminal(
      #""type":"xterm-256color","rows":24,"columns":80,"width":640,"height":480"#)
    #expect(
      terminal
        == RunRequest.Terminal(
          type: "xterm-256color",
          size: ControlMessage.TerminalSize(rows: 24, columns: 80, width: 640, height: 480)))
    #expect(
      try Self.terminal(#""rows":0,"columns":10000"#)
        == RunRequest.Terminal(
          type: nil, size: ControlMessage.TerminalSize(rows: 0, columns: 10_000)))
  }

  @Test(arguments: [
    "", #""rows":24"#, #""columns":80"#, #""rows":-1,"columns":80"#, #""rows":24,"columns":10001"#,
    #""rows":10001,"columns":80"#, #""rows":1,"columns":1,"width":65536"#,
    #""rows":"24","columns":80"#, #""rows":1,"columns":1,"type":"""#,
    #""rows":1,"columns":1,"type":"a b""#, #""rows":1,"columns":1,"type":"\u0000""#,
    #""rows":1,"columns":1,"type":"é""#,
    #""rows":1,"columns":1,"type":"\#(String(repeating: "x", count: 129))""#,
  ])
  func `An invalid terminal is refused`(keys: String) {
    #expect(throws: WireError.self) { try Self.terminal(keys) }
  }

  /// A server that does not know terminals would run the command with pipes.
  @Test func `A request with a terminal must be understood`() throws {
    var request = RunRequest()
    request.argv = ["top"]
    request.terminal = RunRequest.Terminal(
      type: "vt100", size: ControlMessage.TerminalSize(rows: 3, columns: 4))
    let bytes = try OpenRequest.run(request).encoded()
    #expect(String(decoding: bytes, as: UTF8.self).contains(#""must":["terminal"]"#))
    #expect(try OpenRequest.decode(bytes) == .run(request))
    request.terminal = nil
    #expect(
      !String(decoding: try OpenRequest.run(request).encoded(), as: UTF8.self).contains("must"))
  }

  @Test func `A login shell runs a session or a line, and no program`() throws {
    #expect(try OpenRequestTests.run(#""login":true"#).login == true)
    #expect(try OpenRequestTests.run(#""login":true,"shell":"ls""#).shell == "ls")
    #expect(OpenRequestTests.isRefused(#""login":true,"argv":["ls"]"#))
    #expect(OpenRequestTests.isRefused(#""login":false"#))
    var request = RunRequest()
    request.login = true
    let bytes = try OpenRequest.run(request).encoded()
    #expect(String(decoding: bytes, as: UTF8.self).contains(#""must":["login"]"#))
    #expect(try OpenRequest.decode(bytes) == .run(request))
  }

  @Test func `A size has limits in CONTROL too`() throws {
    let size = ControlMessage.TerminalSize(rows: 10_000, columns: 1, width: 65_535, height: 2)
    let message = ControlMessage.resize(size)
    #expect(try ControlMessage.decode(ControlMessage.encode([message])) == [message])
    #expect(throws: WireError.self) {
      try ControlMessage.decode(Array(#"{"resize":{"rows":10001,"columns":1}}"#.utf8))
    }
  }
}
