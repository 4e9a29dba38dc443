import TelpherTestSupport
import Testing

@testable import TelpherWire

/// Text of the peer in errors and reasons is escaped.
@Suite struct EscapedReasonTests {
  @Test func `An error shows the peer's text escaped`() {
    let error = WireError(.protocolError, "the key 'x\n\u{1B}[31m' is not known")
    #expect(error.message == "the key 'x\\x0a\\x1b[31m' is not known")
    let hello = Array(#"{"version":1,"must":["a\n\u001b[2Jb"]}"#.utf8)
    let end = End(.server)
    #expect { try end.receive(preface + RawFrame(type: 1, payload: hello).bytes) } throws: {
      "\($0)".contains("a\\x0a\\x1b[2Jb")
    }
  }

  @Test func `The reasons of RESET and GOAWAY are escaped`() throws {
    let client = try End.clientWithStream()
    let reason = Array("no\n\u{1B}[2J\u{9B}".utf8) + [0xFF]
    let reset = RawFrame(
      type: 7, stream: 1, payload: big(UInt32(9)) + big(UInt64(0)) + reason)
    let goAway = RawFrame(type: 10, payload: big(UInt32(0)) + big(UInt32(11)) + reason)
    let shown = "no\\x0a\\x1b[2J\\xc2\\x9b\\xff"
    #expect(
      try client.events(reset.bytes + goAway.bytes) == [
        .reset(1, .canceled, reason: shown), .goAway(last: 0, .shuttingDown, reason: shown),
      ])
  }
}
