import Testing

@testable import TelpherWire

@Suite struct WindowProbeTests {
  @Test func `A PING is due once half a window has arrived, and only one at a time`() {
    var probe = WindowProbe(window: 100, maxWindow: 1_000)
    let asks = [49, 1, 50].map { probe.didReceive($0, at: 0) }
    #expect(asks == [false, true, false])
  }

  @Test func `The window doubles if most of it arrives during a PING`() {
    var probe = WindowProbe(window: 100, maxWindow: 1_000)
    _ = probe.didReceive(50, at: 0)
    _ = probe.didReceive(66, at: 0)
    let grown = probe.didReceiveAnswer(at: 1_000)
    #expect(grown == 200)
  }

  @Test func `The window stays if little of it arrives during a PING`() {
    var probe = WindowProbe(window: 100, maxWindow: 1_000)
    _ = probe.didReceive(50, at: 0)
    _ = probe.didReceive(65, at: 0)
    let grown = probe.didReceiveAnswer(at: 1_000)
    #expect(grown == nil)
    #expect(probe.window == 100)
  }

  @Test func `A PING that waited after data does not look like high latency`() {
    var probe = WindowProbe(window: 100, maxWindow: 1_000)
    _ = probe.didReceive(50, at: 0)
    _ = probe.didReceiveAnswer(at: 10)
    _ = probe.didReceive(100, at: 1_000)
    _ = probe.didReceive(1_000, at: 1_000)
    let grown = probe.didReceiveAnswer(at: 2_000)
    #expect(grown == nil)
  }

  @Test func `With high latency each PING doubles the window, up to the largest`() {
    var probe = WindowProbe(window: 100, maxWindow: 1_000)
    var now: UInt64 = 0
    var windows: [UInt64] = []
    while probe.window < 1_000 {
      _ = probe.didReceive(Int(probe.window / 2), at: now)
      _ = probe.didReceive(Int(probe.window), at: now)
      now += 50_000_000
      _ = probe.didReceiveAnswer(at: now)
      windows.append(probe.window)
    }
    #expect(windows == [200, 400, 800, 1_000])
  }

  @Test func `PINGs become rare if the window is large enough`() {
    var probe = WindowProbe(window: 100, maxWindow: 1_000)
    var distances: [Int] = []
    for _ in 0..<9 {
      var count = 1
      while !probe.didReceive(50, at: 0) { count += 1 }
      distances.append(count)
      _ = probe.didReceiveAnswer(at: 10)
    }
    #expect(distances == [1, 2, 4, 8, 16, 32, 64, 64, 64])
  }

  @Test func `An answer without a PING changes nothing`() {
    var probe = WindowProbe(window: 100, maxWindow: 1_000)
    _ = probe.didReceive(49, at: 0)
    let grown = probe.didReceiveAnswer(at: 10)
    #expect(grown == nil)
  }

  @Test func `A window stops at its largest, and no PING follows`() {
    var probe = WindowProbe(window: 100, maxWindow: 150)
    _ = probe.didReceive(50, at: 0)
    _ = probe.didReceive(100, at: 0)
    let grown = probe.didReceiveAnswer(at: 10)
    let asksAgain = probe.didReceive(1_000, at: 10)
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

  @Test func `A window that starts below its size grows to it`() throws {
    var window = ReceiveWindow(limit: 10, size: 40)
    try window.receive(10)
    #expect(throws: WireError.self) { try window.receive(1) }
    let granted = window.consume(10)
    #expect(granted == 50)
  }
}
