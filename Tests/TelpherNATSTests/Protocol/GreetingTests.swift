import TelpherKeys
import TelpherNATS
import Testing

@Suite struct GreetingTests {
  private static func greeting(
    requiresTLS: Bool = false, mayUseTLS: Bool = false, _ credentials: NATSCredentials = .none
  ) -> NATSGreeting {
    NATSGreeting(
      requiresTLS: requiresTLS, mayUseTLS: mayUseTLS, credentials: credentials, name: "test")
  }

  private static func info(_ change: (inout NATSInfo) -> Void = { _ in }) -> NATSEvent {
    var info = NATSInfo()
    info.headers = true
    change(&info)
    return .info(info)
  }

  private static func code(_ body: () throws(NATSError) -> Void) -> NATSError.Code? {
    do throws(NATSError) { try body() } catch { return error.code }
    return nil
  }

  @Test func `After INFO the client presents itself and asks for a PONG`() throws {
    var greeting = Self.greeting()
    guard case .send(let bytes) = try greeting.receive(Self.info()) else {
      Issue.record("nothing is sent")
      return
    }
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.hasPrefix("CONNECT {") && text.hasSuffix("}\r\nPING\r\n"))
    #expect(text.contains("\"no_responders\":true") && text.contains("\"tls_required\":false"))
    guard case .open = try greeting.receive(.pong) else {
      Issue.record("it is not open")
      return
    }
  }

  @Test func `TLS comes before the credentials if either side demands it`() throws {
    for (requires, change) in [
      (true, { (info: inout NATSInfo) in info.tlsAvailable = true }),
      (false, { (info: inout NATSInfo) in info.tlsRequired = true }),
    ] {
      var greeting = Self.greeting(
        requiresTLS: requires, mayUseTLS: true, .password(user: "u", password: "secret"))
      #expect(try greeting.receive(Self.info(change)) == .secure)
      guard case .send(let bytes) = try greeting.didSecure() else {
        Issue.record("nothing is sent")
        return
      }
      #expect(String(decoding: bytes, as: UTF8.self).contains("\"tls_required\":true"))
    }
  }

  @Test func `Without TLS on the other side nothing is sent`() {
    var greeting = Self.greeting(requiresTLS: true, mayUseTLS: true)
    #expect(
      Self.code { () throws(NATSError) in _ = try greeting.receive(Self.info()) } == .unreachable)
    var other = Self.greeting()
    #expect(
      Self.code { () throws(NATSError) in
        _ = try other.receive(Self.info { $0.tlsRequired = true })
      } == .unreachable)
  }

  @Test func `An nkey signs the server's nonce`() throws {
    let key = NKey.randomUser()
    var greeting = Self.greeting(.key(key))
    guard case .send(let bytes) = try greeting.receive(Self.info { $0.nonce = "abc" }) else {
      Issue.record("nothing is sent")
      return
    }
    #expect(String(decoding: bytes, as: UTF8.self).contains("\"nkey\":\"\(key.publicKey)\""))
    var other = Self.greeting(.key(key))
    #expect(
      Self.code { () throws(NATSError) in _ = try other.receive(Self.info()) } == .notAuthorized)
  }

  @Test func `A refusal says whether the credentials are the reason`() throws {
    for (text, code) in [
      ("Authorization Violation", NATSError.Code.notAuthorized),
      ("User Authentication Expired", .notAuthorized),
      ("maximum connections exceeded", .unreachable),
    ] {
      var greeting = Self.greeting()
      _ = try greeting.receive(Self.info())
      #expect(Self.code { () throws(NATSError) in _ = try greeting.receive(.error(text)) } == code)
    }
  }

  @Test func `A server that begins in another way is refused`() throws {
    for event in [NATSEvent.ping, .pong, .ok] {
      var greeting = Self.greeting()
      #expect(Self.code { () throws(NATSError) in _ = try greeting.receive(event) } == .violation)
    }
    var old = Self.greeting()
    #expect(
      Self.code { () throws(NATSError) in _ = try old.receive(.info(NATSInfo())) } == .unreachable)
  }
}
