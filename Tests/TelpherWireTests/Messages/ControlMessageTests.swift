import Glibc
import Testing
import TelpherWire

@Suite struct ControlMessageTests {
  static func decode(_ json: String) throws -> [ControlMessage] {
    try ControlMessage.decode(Array(json.utf8))
  }

  @Test func `Every key is decoded`() throws {
    let messages = try Self.decode(
      """
      {"signal":15,"cancel":true,"stop_sending":1,"detach":true,"resize":{"rows":24,"columns":80},\
      "opened":{"attached":true,"offsets":{"1":5,"2":0}}}
      """)
    #expect(
      messages == [
        .signal(SIGTERM), .stopSending(1), .cancel, .detach,
        .resize(ControlMessage.TerminalSize(rows: 24, columns: 80)),
        .opened(.command(offsets: ["1": 5, "2": 0])),
      ])
  }

  @Test func `An encoded message decodes to the same`() throws {
    let messages: [ControlMessage] = [.stopSending(2), .opened(.command(offsets: ["1": .max]))]
    #expect(try ControlMessage.decode(ControlMessage.encode(messages)) == messages)
  }

  /// A key that is false requests nothing.
  @Test func `A message with false flags sets nothing`() throws {
    #expect(try Self.decode(#"{"cancel":false,"detach":false,"restart":false}"#) == [])
  }

  @Test func `An empty message sets nothing`() throws {
    #expect(try Self.decode("{}") == [])
    #expect(ControlMessage.encode([]) == Array("{}".utf8))
  }

  @Test(arguments: [
    "", "[]", #"{"signal":"TERM"}"#, #"{"signal":2147483648}"#, #"{"stop_sending":256}"#,
    #"{"resize":{"rows":65536,"columns":1}}"#, #"{"resize":{"rows":1}}"#, #"{"cancel":1}"#,
    #"{"must":["fly"]}"#,
  ])
  func `An invalid message is an error`(json: String) {
    #expect(throws: WireError.self) { try Self.decode(json) }
  }
}
