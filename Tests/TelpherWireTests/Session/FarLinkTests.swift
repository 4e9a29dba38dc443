import Testing

@testable import TelpherWire

/// The windows of a server whose client is far away, in simulated time.
@Suite struct FarLinkTests {
  private static let fast: FarLink.Consumer = { _ in .max }
  private static let stalled: FarLink.Consumer = { _ in 0 }

  @Test(arguments: [10.0, 40, 100]) func `A link is full within ten round trips`(roundTrip: Double)
    throws
  {
    var link = try FarLink(roundTrip: roundTrip)
    defer { link.free() }
    let stream = try link.open(Self.fast)
    try link.run(10 * roundTrip)
    let before = link.taken[stream, default: 0]
    try link.run(4 * roundTrip)
    let rate = Double(link.taken[stream, default: 0] - before) / (4 * roundTrip)
    #expect(rate > 0.95 * Double(link.rate))
  }

  @Test func `A window grows up to its limit`() throws {
    var link = try FarLink(roundTrip: 300, growth: 16 << 20)
    defer { link.free() }
    let stream = try link.open(Self.fast)
    try link.run(3_000)
    // A stream leaves an eighth to others.
    #expect(link.server.window(stream, .stdin) == (14 << 20) + (256 << 10))
    #expect(link.server.connection.growth == 14 << 20)
  }

  @Test func `The next stream starts with what the connection has learned`() throws {
    var link = try FarLink(roundTrip: 100)
    defer { link.free() }
    let first = try link.open(Self.fast)
    try link.run(1_500)
    let learned = link.server.window(first, .stdin)
    #expect(learned > 35 << 20)
    try link.close(first)
    try link.run(200)
    #expect(link.server.connection.growth == 0)
    let second = try link.open(Self.fast)
    try link.run(150)
    #expect(link.server.window(second, .stdin) > 30 << 20)
  }

  @Test func `A stream whose consumer has proven nothing starts with a part of it`() throws {
    var link = try FarLink(roundTrip: 100, growth: 128 << 20)
    defer { link.free() }
    let first = try link.open(Self.fast)
    try link.run(1_500)
    try link.close(first)
    try link.run(200)
    let second = try link.open(Self.stalled, anticipates: true)
    let third = try link.open(Self.stalled, anticipates: true)
    try link.run(60)
    #expect(link.server.window(second, .stdin) == (32 << 20) + (256 << 10))
    #expect(link.server.window(third, .stdin) == (16 << 20) + (256 << 10))
    try link.run(1_000)
    // It gets nothing more, and another one is not slower for it.
    #expect(link.server.window(second, .stdin) == (32 << 20) + (256 << 10))
    let fourth = try link.open(Self.fast, anticipates: true)
    try link.run(1_000)
    let before = link.taken[fourth, default: 0]
    try link.run(1_000)
    #expect(Double(link.taken[fourth, default: 0] - before) > 0.3 * 1_000 * Double(link.rate))
  }

  @Test func `After ten minutes without use it starts small again`() throws {
    var link = try FarLink(roundTrip: 100)
    defer { link.free() }
    let first = try link.open(Self.fast)
    try link.run(1_500)
    try link.close(first)
    try link.run(200)
    link.idle(600_000)
    let second = try link.open(Self.fast)
    try link.run(60)
    #expect(link.server.window(second, .stdin) <= 1 << 20)
  }

  @Test func `A consumer that takes nothing costs only the first window`() throws {
    var link = try FarLink(roundTrip: 100)
    defer { link.free() }
    // The connection has learned a large window before.
    let first = try link.open(Self.fast)
    try link.run(1_500)
    let stream = try link.open(Self.stalled)
    try link.run(1_500)
    #expect(link.server.window(stream, .stdin) == 256 << 10)
    #expect(link.unread[stream] == 256 << 10)
    #expect(link.server.window(first, .stdin) > 35 << 20)
  }

  @Test func `A consumer that takes a little at a time gets no more`() throws {
    var link = try FarLink(roundTrip: 20)
    defer { link.free() }
    let stream = try link.open { _ in 1_000 }
    try link.run(3_000)
    #expect(link.server.window(stream, .stdin) == 256 << 10)
  }

  @Test func `A stream that has grown and stalls leaves the others their credit`() throws {
    var link = try FarLink(roundTrip: 100)
    defer { link.free() }
    let first = try link.open { $0 < 2_500 ? .max : 0 }
    try link.run(2_000)
    let held = link.server.window(first, .stdin)
    #expect(held > 35 << 20)
    let second = try link.open(Self.fast)
    try link.run(3_000)
    // The last grant is up to a step old.
    let unread = UInt64(link.unread[first, default: 0])
    #expect(unread <= held && unread + ReceiveWindow.longStep >= held)
    // An eighth of the growth is left, of which it may have seven eighths.
    #expect(link.server.window(second, .stdin) >= 7 << 20)
    let before = link.taken[second, default: 0]
    try link.run(1_000)
    #expect(link.taken[second, default: 0] - before > 50 << 20)
  }

  @Test func `A window becomes smaller if its consumer becomes slow`() throws {
    var link = try FarLink(roundTrip: 20)
    defer { link.free() }
    let stream = try link.open { $0 < 2_000 ? .max : 2_000 }
    try link.run(900)
    let large = link.server.window(stream, .stdin)
    #expect(large > 8 << 20)
    try link.run(40_000)
    #expect(link.server.window(stream, .stdin) < large / 4)
  }

  @Test func `Nearby, windows keep their size`() throws {
    var link = try FarLink(roundTrip: 0, rate: 2_000_000)
    defer { link.free() }
    link.server.session.roundTrip.didSend(at: 0)
    link.server.session.roundTrip.didReceiveAnswer(at: 100_000)
    let stream = try link.open(Self.fast)
    try link.run(500)
    #expect(link.server.window(stream, .stdin) == 256 << 10)
  }

  @Test func `Connections share a budget, and none starves`() throws {
    let budget = SingleThreadedBudget(total: 32 << 20)
    var links = try (0..<3).map { _ in try FarLink(roundTrip: 100, budget: budget) }
    defer { links.forEach { $0.free() } }
    let streams = try links.indices.map { try links[$0].open(Self.fast) }
    for _ in 0..<40 {
      for index in links.indices { try links[index].run(50) }
      #expect(budget.used <= budget.total)
    }
    for (link, stream) in zip(links, streams) {
      #expect(link.server.window(stream, .stdin) >= 4 << 20)
    }
    for index in links.indices {
      try links[index].close(streams[index])
      try links[index].run(200)
      links[index].server.session.releaseWindows()
    }
    #expect(budget.used == 0)
  }
}
