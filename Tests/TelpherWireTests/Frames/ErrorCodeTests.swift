import Testing
import TelpherWire

@Suite struct ErrorCodeTests {
  @Test func `Known codes are shown by name and others by number`() {
    #expect(ErrorCode.none.description == "NO_ERROR")
    #expect(ErrorCode.shuttingDown.description == "SHUTTING_DOWN")
    #expect(ErrorCode.lost.description == "LOST")
    #expect(ErrorCode(rawValue: 13).description == "code 13")
    #expect(ErrorCode(rawValue: .max).description == "code 4294967295")
  }
}
