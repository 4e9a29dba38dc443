import Testing
import TelpherWire

@Suite struct ErrorCodeTests {
  @Test func `Known codes are shown by name and others by number`() {
    #expect(ErrorCode.none.description == "NO_ERROR")
    #expect(ErrorCode.shuttingDown.description == "SHUTTING_DOWN")
    #expect(ErrorCode.lost.description == "LOST")
    #expect(ErrorCode.socketBroken.description == "SOCKET_BROKEN")
    #expect(ErrorCode(rawValue: 14).description == "code 14")
    #expect(ErrorCode(rawValue: .max).description == "code 4294967295")
  }
}
