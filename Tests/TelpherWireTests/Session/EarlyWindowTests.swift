import TelpherTestSupport
import Testing

@testable import TelpherWire

/// Credit on the stream that a client opens next.
@Suite struct EarlyWindowTests {
  private static let fast: FarLink.Consumer = { _ in .max }
  private static let initial: UInt64 = 256 << 10

  /// A link whose first stream has filled it and has ended.
  private static func learned(
    knowsFeatures: Bool = true, budget: (any WindowBudget)? = nil
  ) throws -> FarLink {
    var link = try FarLink(
      roundTrip: 100, growth: 128 << 20, budget: budget, knowsFeatures: knowsFeatures)
    let first = try link.open(fast)
    try link.run(1_500)
    try link.close(first)
    try link.run(200)
    return link
  }

  @Test func `The first bytes of the next stream need no round trip for credit`() throws {
    var link = try Self.learned()
    defer { link.free() }
    let stream = try link.open(Self.fast)
    // A way to the server, and 40 ms more. Without credit ahead 256 KiB would have arrived.
    try link.run(90)
    #expect(link.taken[stream, default: 0] > 10 << 20)
  }

  @Test func `Files may use all that was learned, a command's input a part`() throws {
    let link = try Self.learned()
    defer { link.free() }
    let learned = link.server.session.learned.value(at: link.server.session.time)
    let stream = try link.client.open()
    #expect(link.client.session.channelCredit(stream, .file) == learned)
    #expect(link.client.session.channelCredit(stream, .stdin) == (32 << 20) + Self.initial)
    #expect(link.client.session.channelCredit(stream, .index) == 1 << 20)
  }

  @Test func `A client that does not know it gets nothing early`() throws {
    let link = try Self.learned(knowsFeatures: false)
    defer { link.free() }
    #expect(link.server.session.earlyReceive == nil)
    let stream = try link.client.open()
    #expect(link.client.session.channelCredit(stream, .file) == Self.initial)
  }

  @Test func `Input instead of files gives back what the files would have used`() throws {
    var link = try Self.learned()
    defer { link.free() }
    #expect(link.server.connection.growth > 35 << 20)
    let stream = try link.open { _ in 0 }
    try link.run(60)
    #expect(link.server.window(stream, .file) == Self.initial)
    #expect(link.server.connection.growth == link.server.session.unread.used)
  }

  @Test func `A command that reads fast gets all that was learned at once`() throws {
    var link = try Self.learned()
    defer { link.free() }
    let learned = link.server.session.learned.value(at: link.server.session.time)
    let stream = try link.open(Self.fast)
    // A way to the server, and the time of a few MiB.
    try link.run(60)
    #expect(link.server.window(stream, .stdin) >= learned)
  }

  @Test func `Early credit is an ordinary WINDOW if the stream is open by then`() throws {
    let client = try End.ready(.client, Self.early)
    _ = try client.open()
    try client.receive(window(1, .file, 5 << 20))
    #expect(client.session.channelCredit(1, .file) == 5 << 20)
    #expect(client.session.earlySend == nil)
  }

  @Test func `Early credit lapses if another stream is opened`() throws {
    let server = try End.ready(
      .server, Hello(window: 100, connectionWindow: 1_000),
      peer: #"{"version":1,"features":["early_windows"]}"#)
    // The fuzzers cover sessions with growth; this one only has a window to lapse.
    var early = EarlyWindows<ReceiveWindow>(stream: 1)
    early.windows[.file] = ReceiveWindow(size: 500)
    server.session.earlyReceive = early
    try server.receive(openRun(3))
    #expect(server.window(3, .file) == 100)
    #expect(server.session.earlyReceive == nil)
  }

  @Test func `Credit on a later stream than the next is an error`() throws {
    let client = try End.ready(.client, Self.early)
    #expect(client.refusal(of: window(3, .file, 5 << 20)) == .streamState)
  }

  @Test func `Early credit that falls is an error`() throws {
    let client = try End.ready(.client, Self.early)
    try client.receive(window(1, .file, 5 << 20))
    #expect(client.refusal(of: window(1, .file, 4 << 20)) == .flowControl)
  }

  private static var early: Hello {
    var hello = Hello()
    hello.features = Session.clientFeatures
    return hello
  }
}
