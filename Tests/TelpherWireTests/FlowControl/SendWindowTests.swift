import Testing

import TelpherTestSupport
@testable import TelpherWire

@Suite struct SendWindowTests {
  @Test func `Sending uses up the credit`() {
    var window = SendWindow(limit: 10)
    window.didSend(7)
    #expect(window.credit == 3)
    window.didSend(3)
    #expect(window.credit == 0)
  }

  @Test func `A higher limit adds credit and the same limit adds none`() throws {
    var window = SendWindow(limit: 10)
    window.didSend(10)
    try window.raise(to: 10)
    #expect(window.credit == 0)
    try window.raise(to: 25)
    #expect(window.credit == 15)
  }

  @Test func `A falling limit is an error`() {
    var window = SendWindow(limit: 10)
    #expect(throws: WireError.self) { try window.raise(to: 9) }
    #expect(window.limit == 10)
  }

  @Test func `A limit above the highest offset is an error`() throws {
    var window = SendWindow(limit: 10)
    #expect(throws: WireError.self) { try window.raise(to: WireConstants.maxOffset + 1) }
    #expect(throws: WireError.self) { try window.raise(to: .max) }
    try window.raise(to: WireConstants.maxOffset)
    #expect(window.credit == WireConstants.maxOffset)
  }
}
