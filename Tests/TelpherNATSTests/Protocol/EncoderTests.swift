import TelpherNATS
import Testing

@Suite struct EncoderTests {
  private static func text(_ body: (inout NATSEncoder) -> Void) -> String {
    var encoder = NATSEncoder()
    body(&encoder)
    return String(decoding: encoder.take(), as: UTF8.self)
  }

  @Test func `Each line has the form of the protocol`() {
    #expect(Self.text { $0.ping() } == "PING\r\n")
    #expect(Self.text { $0.pong() } == "PONG\r\n")
    #expect(Self.text { $0.subscribe("a.*", id: 7) } == "SUB a.* 7\r\n")
    #expect(Self.text { $0.subscribe("a.>", group: "g", id: 8) } == "SUB a.> g 8\r\n")
    #expect(Self.text { $0.unsubscribe(7) } == "UNSUB 7\r\n")
    #expect(Self.text { $0.publish("a", Array("hi".utf8)) } == "PUB a 2\r\nhi\r\n")
    #expect(Self.text { $0.publish("a", reply: "b", []) } == "PUB a b 0\r\n\r\n")
    let headers = NATSHeaders([.init("Nats-Msg-Id", "x y")])
    #expect(
      Self.text { $0.publish("a", reply: "b", headers: headers, Array("hi".utf8)) }
        == "HPUB a b 30 32\r\nNATS/1.0\r\nNats-Msg-Id: x y\r\n\r\nhi\r\n")
  }

  @Test func `CONNECT is one line of JSON`() {
    var connect = NATSConnect()
    (connect.user, connect.pass) = ("u\"\n", "p")
    let text = Self.text { $0.connect(connect) }
    #expect(text.hasPrefix("CONNECT {\"headers\":true,"))
    #expect(text.contains("\"user\":\"u\\\"\\n\""))
    #expect(text.hasSuffix("}\r\n"))
    #expect(text.split(separator: "\r\n").count == 1)
  }

  @Test func `What was taken is not sent again`() {
    var encoder = NATSEncoder()
    encoder.ping()
    _ = encoder.take()
    #expect(encoder.isEmpty)
  }

  @Test func `A message that is encoded is decoded to the same`() {
    let headers = NATSHeaders(
      status: .init(404, "No Messages"), [.init("A", ""), .init("B", "1: 2")])
    let encoded = Self.text { $0.publish("x", reply: "y", headers: headers, [0, 13, 10]) }
    // A server sends it on with the number of a subscription.
    let sent = encoded.replacing("HPUB x y", with: "HMSG x 3 y")
    #expect(
      Collected(sent).events == [
        .message(
          NATSMessage(
            subscription: 3, subject: "x", reply: "y", headers: headers, payload: [0, 13, 10]))
      ])
  }

  @Test(arguments: ["", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\r\nPUB x 0", ">.a", "a\u{7F}"])
  func `What is no subject is refused`(_ text: String) {
    #expect(throws: NATSError.self) { try NATSSubject(text) }
  }

  @Test(arguments: [
    ("a", false), ("a.*.b", true), ("a.>", true), ("$JS.API.x", false), ("a*", false),
  ])
  func `Subjects are known with their wildcards`(_ text: String, _ hasWildcards: Bool) throws {
    #expect(try NATSSubject(text).hasWildcards == hasWildcards)
  }

  @Test func `A token is one part of a subject`() {
    #expect(NATSSubject.isToken("web-1"))
    for text in ["", "a.b", "*", ">", "a b"] { #expect(!NATSSubject.isToken(text)) }
  }
}

@Suite struct ServerTimeTests {
  @Test(arguments: [
    ("1970-01-01T00:00:00Z", 0), ("2000-02-29T12:00:01.5Z", 951_825_601_500_000_000),
    ("2026-11-27T05:16:12.123456789Z", 1_795_756_572_123_456_789),
    ("2026-11-27T06:16:12.123456789+01:00", 1_795_756_572_123_456_789),
  ])
  func `A time is read to the nanosecond`(_ text: String, _ expected: Int64) {
    #expect(ServerTime(text)?.nanoseconds == expected)
  }

  @Test(arguments: [
    "", "2026-11-27", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z",
    "2026-01-01T00:00:00.1234567890Z", "1969-12-31T23:59:59Z", "2026-01-01T00:00:00Zx",
    "9999-01-01T00:00:00Z",
  ])
  func `Another text is no time`(_ text: String) {
    #expect(ServerTime(text) == nil)
  }

  @Test func `Ages are never negative`() throws {
    let (a, b) = (
      try #require(ServerTime("2026-01-01T00:00:00Z")),
      try #require(ServerTime("2026-01-01T00:00:02Z"))
    )
    #expect(b.since(a) == .seconds(2) && a.since(b) == .zero && a < b)
  }
}
