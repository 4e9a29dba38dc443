import Testing

@testable import TelpherWire

@Suite struct WindowProbeTests {
  @Test func `A PING goes out once half a window has come, and one at a time`() {
    var probe = WindowProbe(window: 100, maxWindow: 1_000)
    let asks = [49, 1, 50].map { probe.didReceive($0) }
    #expect(asks == [false, true, false])
  }

  @Test func `Most of a window while the PING was under way doubles it`() {
    var probe = WindowProbe(window: 100, maxWindow: 1_000)
    _ = probe.didReceive(50)
    _ = probe.didReceive(66)
    let grown = probe.didReceiveAnswer()
    #expect(grown == 200)
  }

  @Test func `Little of a window leaves it`() {
    var probe = WindowProbe(window: 100, maxWindow: 1_000)
    _ = probe.didReceive(50)
    _ = probe.didReceive(65)
    let grown = probe.didReceiveAnswer()
    #expect(grown == nil)
    #expect(probe.window == 100)
  }

  @Test func `An answer that nobody asked for changes nothing`() {
    var probe = WindowProbe(window: 100, maxWindow: 1_000)
    _ = probe.didReceive(49)
    let grown = probe.didReceiveAnswer()
    #expect(grown == nil)
  }

  @Test func `A window stops at its largest, and no PING follows`() {
    var probe = WindowProbe(window: 100, maxWindow: 150)
    _ = probe.didReceive(50)
    _ = probe.didReceive(100)
    let grown = probe.didReceiveAnswer()
    let asksAgain = probe.didReceive(1_000)
    #expect(grown == 150)
    #expect(!asksAgain)
  }

  @Test func `A grown window is granted with what the consumer takes next`() throws {
    var window = ReceiveWindow(size: 10)
    try window.receive(10)
    window.grow(to: 40)
    let granted = window.consume(1)
    #expect(granted == 41)
    #expect(window.limit == 41)
  }

  @Test func `A window that begins smaller than its size moves to it`() throws {
    var window = ReceiveWindow(limit: 10, size: 40)
    try window.receive(10)
    #expect(throws: WireError.self) { try window.receive(1) }
    let granted = window.consume(10)
    #expect(granted == 50)
  }
}
