import Testing

@testable import TelpherWire

@Suite struct ReceiveWindowTests {
  @Test func `Exactly the credit may arrive, and not a byte more`() throws {
    var window = ReceiveWindow(size: 10)
    try window.receive(10)
    #expect(throws: WireError.self) { try window.receive(1) }
    #expect(window.pending == 10)
  }

  @Test func `A count that overflows is an error`() throws {
    var window = ReceiveWindow(size: 10)
    try window.receive(1)
    #expect(throws: WireError.self) { try window.receive(.max) }
  }

  @Test func `Nothing is granted before half of the window was taken`() throws {
    var window = ReceiveWindow(size: 10)
    try window.receive(10)
    #expect(window.consume(4) == nil)
    #expect(window.consume(1) == 15)
    #expect(window.limit == 15)
  }

  @Test func `Bytes that are not granted yet are not credit`() throws {
    var window = ReceiveWindow(size: 10)
    try window.receive(10)
    _ = window.consume(4)
    #expect(throws: WireError.self) { try window.receive(1) }
  }

  @Test func `A window of one byte still moves`() throws {
    var window = ReceiveWindow(size: 1)
    for offset in UInt64(1)...5 {
      try window.receive(1)
      #expect(window.consume(1) == offset + 1)
    }
  }

  @Test func `The credit is whole again once everything was taken`() throws {
    var window = ReceiveWindow(size: 1_000)
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<1_000 {
      let arriving = UInt64.random(in: 0...(window.limit - window.received), using: &generator)
      try window.receive(arriving)
      let taken = UInt64.random(in: 0...window.pending, using: &generator)
      _ = window.consume(taken)
      #expect(window.limit - window.consumed <= 1_000, "memory stays bounded")
    }
    _ = window.consume(window.pending)
    #expect(window.limit - window.received > 500, "more than half is open when nothing waits")
  }

  @Test func `The largest window does not overflow`() throws {
    var window = ReceiveWindow(size: WireConstants.maxOffset)
    try window.receive(WireConstants.maxOffset)
    #expect(window.consume(WireConstants.maxOffset) == nil)
  }
}
