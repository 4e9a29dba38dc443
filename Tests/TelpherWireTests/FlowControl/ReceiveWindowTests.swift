import Testing

import TelpherTestSupport
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

  @Test func `A grown window is granted with what the consumer takes next`() throws {
    var window = ReceiveWindow(size: 10)
    try window.receive(10)
    window.grow(to: 40)
    let granted = window.consume(1)
    #expect(granted == 41)
    #expect(window.limit == 41)
  }

  @Test func `A window that has become smaller takes no credit back`() throws {
    var window = ReceiveWindow(size: 10)
    window.extend(by: 30)
    #expect(window.grant() == 40)
    window.reduce(by: 30)
    #expect(window.size == 10)
    try window.receive(40)
    #expect(window.consume(30) == nil)
    #expect(window.outstanding == 10)
    #expect(window.consume(5) == 45)
  }

  @Test func `A large window is granted in steps`() throws {
    var window = ReceiveWindow(size: 1 << 20)
    window.extend(by: 63 << 20)
    #expect(window.grant() == 64 << 20)
    try window.receive(2 << 20)
    #expect(window.consume((1 << 20) - 1) == nil)
    #expect(window.consume(1) == 65 << 20)
  }

  @Test func `The pace is that of at least half a window`() throws {
    var window = ReceiveWindow(size: 10)
    #expect(window.takePace(at: 1) == nil)
    window.didBegin(at: 5)
    window.didBegin(at: 6)
    try window.receive(10)
    window.take(4)
    #expect(window.takePace(at: 7) == nil)
    window.take(2)
    let first = window.takePace(at: 8)
    #expect(first?.count == 6 && first?.time == 3)
    #expect(window.takePace(at: 9) == nil)
  }
}
