import TelpherNATS
import TelpherTestSupport
import Testing

@Suite struct DecoderTests {
  private static let conversation =
    "INFO {\"server_name\":\"a\",\"max_payload\":1048576,\"headers\":true,\"nonce\":\"x\",\"unknown\":[{}]}\r\n"
    + "PING\r\npong\r\n+OK\r\n-ERR 'Stale Connection'\r\n"
    + "MSG tj.job 9 5\r\nhello\r\n"
    + "MSG\ttj.job  9 _INBOX.1 0\r\n\r\n"
    + "HMSG a 18446744073709551615 r 29 32\r\nNATS/1.0\r\nA: one\r\nB:\ttwo \r\n\r\nabc\r\n"
    + "HMSG a 2 30 30\r\nNATS/1.0 503 No Responders\r\n\r\n\r\n"
    + "MSG x 1 4\r\n\r\n\r\n\r\n"

  private static let events: [NATSEvent] = {
    var info = NATSInfo()
    (info.serverName, info.maxPayload, info.headers, info.nonce) = ("a", 1_048_576, true, "x")
    return [
      .info(info), .ping, .pong, .ok, .error("Stale Connection"),
      .message(NATSMessage(subscription: 9, subject: "tj.job", payload: Array("hello".utf8))),
      .message(NATSMessage(subscription: 9, subject: "tj.job", reply: "_INBOX.1", payload: [])),
      .message(
        NATSMessage(
          subscription: .max, subject: "a", reply: "r",
          headers: NATSHeaders([.init("A", "one"), .init("B", "two")]), payload: Array("abc".utf8))),
      .message(
        NATSMessage(
          subscription: 2, subject: "a",
          headers: NATSHeaders(status: .init(503, "No Responders")), payload: [])),
      .message(NATSMessage(subscription: 1, subject: "x", payload: [13, 10, 13, 10])),
    ]
  }()

  @Test func `Each kind of line becomes its event`() {
    let collected = Collected(Self.conversation)
    #expect(collected.events == Self.events)
    #expect(collected.error == nil)
  }

  @Test func `The events do not depend on one cut anywhere`() {
    let bytes = Array(Self.conversation.utf8)
    for cut in 0...bytes.count {
      #expect(Collected(bytes, cutAt: [cut]).events == Self.events, "cut at \(cut)")
    }
    #expect(Collected(bytes, cutAt: Array(1..<bytes.count)).events == Self.events)
  }

  @Test func `Random bytes give the same events and error however they are cut`() {
    var random = SeededGenerator(seed: 7)
    let words = [
      "MSG ", "HMSG ", "a ", "1 ", "4", "16 ", "20", "\r\n", "\n", "PING", "NATS/1.0", " 404", ":",
      "x",
      "INFO {}", "+OK", "-ERR 'x'", "99999999", " ", "\t", "\u{0}",
    ]
    for _ in 0..<3_000 {
      let text = (0..<Int.random(in: 1...24, using: &random))
        .map { _ in words.randomElement(using: &random) ?? "" }.joined()
      let bytes = Array(text.utf8)
      let cuts = (0..<4).map { _ in Int.random(in: 0...bytes.count, using: &random) }.sorted()
      #expect(
        Collected(bytes) == Collected(bytes, cutAt: cuts), "\(text.debugDescription) at \(cuts)")
    }
  }

  @Test(arguments: [
    "HELLO\r\n", "PING\n", "\r\n", "MSG a 1\r\n", "MSG a b 1\r\n", "MSG a 1 -1\r\n",
    "MSG a 1 8388609\r\n", "MSG a 1 2\r\nabc\r\n", "MSG a 1 r x 1\r\n", "HMSG a 1 0 2\r\nab\r\n",
    "HMSG a 1 3 2\r\nab\r\n", "HMSG a 1 12 12\r\nNATS/1.0\r\n\r\r\r\n",
    "HMSG a 1 8 8\r\nNATS/1.0\r\n",
    "HMSG a 1 12 12\r\nNATS/2.0\r\n\r\n\r\n", "HMSG a 1 15 15\r\nNATS/1.0\r\n:x\r\n\r\n\r\n",
    "HMSG a 1 15 15\r\nNATS/1.0 4x\r\n\r\n\r\n", "INFO {\r\n", "INFO []\r\n",
    "MSG a 18446744073709551616 1\r\n",
  ])
  func `What is no line of a server ends the connection`(_ text: String) {
    let collected = Collected("PING\r\n" + text)
    #expect(collected.events == [.ping])
    #expect(collected.error?.code == .violation)
  }

  @Test func `A line without an end is refused at its limit`() {
    let endless = [UInt8](repeating: UInt8(ascii: "A"), count: NATSLimits.line + 2)
    #expect(Collected(endless).error?.code == .violation)
    #expect(Collected(Array(endless.dropLast())).error == nil)
    // Also if the end follows in the same piece.
    #expect(Collected(endless + [13, 10]).error == Collected(endless, cutAt: [9]).error)
  }

  @Test func `A message with too many headers is refused`() {
    let block =
      "NATS/1.0\r\n" + String(repeating: "a:b\r\n", count: NATSLimits.headerFields + 1) + "\r\n"
    let text = "HMSG a 1 \(block.utf8.count) \(block.utf8.count)\r\n\(block)\r\n"
    #expect(Collected(text).error?.code == .violation)
  }

  @Test func `Nothing follows an error`() {
    let collected = Collected("NO\r\nPING\r\n", cutAt: [3, 6])
    #expect(collected.events.isEmpty)
    #expect(collected.error?.code == .violation)
  }

  @Test func `A server's error text is short and safe to show`() {
    let text = "-ERR '\u{1B}[2J" + String(repeating: "x", count: 2_000) + "'\r\n"
    guard case .error(let shown) = Collected(text).events.first else {
      Issue.record("no error")
      return
    }
    #expect(shown.hasPrefix("\\x1b[2J"))
    #expect(shown.utf8.count < NATSLimits.errorText + 10)
  }
}
