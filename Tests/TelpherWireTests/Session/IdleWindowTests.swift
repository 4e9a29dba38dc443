import TelpherTestSupport
import Testing

@testable import TelpherWire

/// What idle connections and streams give back.
@Suite struct IdleWindowTests {
  private static let fast: FarLink.Consumer = { _ in .max }

  @Test func `An idle connection gives all its memory back to the others`() throws {
    let budget = SingleThreadedBudget(total: 128 << 20)
    var link = try FarLink(
      roundTrip: 100, growth: 128 << 20, budget: budget, knowsFeatures: true)
    defer { link.free() }
    let first = try link.open(Self.fast)
    try link.run(1_500)
    try link.close(first)
    try link.run(200)
    #expect(budget.used > 30 << 20)
    try Self.rest(&link)
    #expect(budget.used == 0)
    #expect(link.server.connection.window.size == 4 << 20)
    #expect(link.client.session.connectionCredit == 4 << 20)
  }

  @Test func `A stream that is open and idle gives its window back`() throws {
    let budget = SingleThreadedBudget(total: 128 << 20)
    var link = try FarLink(
      roundTrip: 100, growth: 128 << 20, budget: budget, knowsFeatures: true)
    defer { link.free() }
    let stream = try link.open(Self.fast)
    try link.run(1_500)
    let large = link.server.window(stream, .stdin)
    #expect(large > 35 << 20)
    link.pause(stream)
    try link.run(200)
    try Self.rest(&link)
    #expect(link.server.window(stream, .stdin) == 256 << 10)
    #expect(budget.used == 0)
    // It fills the link again when it goes on.
    link.resume(stream)
    try link.run(1_500)
    let before = link.taken[stream, default: 0]
    try link.run(400)
    #expect(Double(link.taken[stream, default: 0] - before) > 0.9 * 400 * Double(link.rate))
  }

  @Test func `A stream that is in use keeps its window`() throws {
    var link = try FarLink(roundTrip: 100, growth: 128 << 20, knowsFeatures: true)
    defer { link.free() }
    let stream = try link.open(Self.fast)
    try link.run(1_500)
    let large = link.server.window(stream, .stdin)
    try link.rest()
    link.idle(15_000)
    try link.run(400)
    try link.rest()
    #expect(link.server.window(stream, .stdin) >= large)
  }

  @Test func `After that, early credit on a stream still counts`() throws {
    var link = try FarLink(roundTrip: 100, growth: 128 << 20, knowsFeatures: true)
    defer { link.free() }
    let first = try link.open(Self.fast)
    try link.run(1_500)
    try link.close(first)
    try link.run(200)
    try Self.rest(&link)
    let second = try link.open(Self.fast)
    #expect(link.client.session.channelCredit(second, .stdin) > 30 << 20)
    // The connection's window limits it at first, and grows.
    try link.run(1_500)
    let before = link.taken[second, default: 0]
    try link.run(400)
    #expect(Double(link.taken[second, default: 0] - before) > 0.9 * 400 * Double(link.rate))
  }

  @Test func `More credit than there is can't be returned`() throws {
    let server = try End.ready(.server, Hello(connectionWindow: 1_000))
    #expect(server.refusal(of: giveBack(1_001)) == .flowControl)
  }

  @Test func `Returned credit is granted again only up to the window`() throws {
    let server = try End.ready(.server, Hello(connectionWindow: 1_000))
    try server.receive(giveBack(600))
    // It is due at once, since the window has not become smaller.
    #expect(server.connection.window.outstanding == 1_000)
    #expect(server.connection.window.received == 600)
  }

  @Test func `A peer that does not know it gets no RETURN`() throws {
    let client = try End.ready(.client)
    try client.receive(connectionWindow(64 << 20))
    client.session.rest(at: 20_000_000_000)
    client.session.rest(at: 40_000_000_000)
    #expect(client.takeOutput().isEmpty)
    #expect(client.session.connectionCredit == 64 << 20)
  }

  /// Two looks, between which nothing has happened, and the time for a round trip.
  private static func rest(_ link: inout FarLink) throws {
    for _ in 0..<3 {
      link.idle(15_000)
      try link.rest()
      try link.run(200)
    }
  }

  private func giveBack(_ count: UInt64) -> [UInt8] {
    RawFrame(type: 0x0C, payload: big(count)).bytes
  }
}
