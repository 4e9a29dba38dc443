import Glibc
import TelpherKeys
import Testing

struct AuthorizedKeysTests {
  private static let key = SSHPublicKey(ed25519: [UInt8](repeating: 1, count: 32))!
  private static let securityKey = try! SSHPublicKey.parse(
    "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAAAABHNzaDo="
  ).key

  /// The options of the line; nil if it grants nothing.
  private func options(_ options: String, _ key: SSHPublicKey = key) -> KeyOptions? {
    let keys = AuthorizedKeys(Array("\(options)\(options.isEmpty ? "" : " ")\(key) me\n".utf8))
    let touched = SSHSignature.Confirmation(isTouched: true, isVerified: true)
    let verdict = keys.verdict(
      on: key, key.isOnSecurityKey ? touched : nil, from: "10.1.2.3", at: 0)
    guard case .accepted(let entry) = verdict else { return nil }
    #expect(entry.comment == "me")
    return entry.options
  }

  private func accepts(
    _ options: String, _ key: SSHPublicKey = key, _ confirmation: SSHSignature.Confirmation? = nil,
    from source: String = "10.1.2.3", at now: Int64 = 1_000_000_000
  ) -> Bool {
    let keys = AuthorizedKeys(Array("\(options) \(key)\n".utf8))
    #expect(keys.refusals.isEmpty, "\(options): \(keys.refusals)")
    if case .accepted = keys.verdict(on: key, confirmation, from: source, at: now) { return true }
    return false
  }

  @Test func aLineWithoutOptionsRestrictsNothing() {
    #expect(options("") == KeyOptions())
    let keys = AuthorizedKeys(Array("# comment\n\n  \t\n  \(Self.key)\r\n".utf8))
    #expect(keys.count == 1)
    #expect(keys.refusals.isEmpty)
  }

  @Test func anUnknownKeyIsRefused() {
    let other = SSHPublicKey(ed25519: [UInt8](repeating: 2, count: 32))!
    let keys = AuthorizedKeys(Array("\(Self.key)\n".utf8))
    #expect(keys.verdict(on: other, nil, from: "::1", at: 0) == .refused("the key is not listed"))
    #expect(
      AuthorizedKeys().verdict(on: other, nil, from: "::1", at: 0)
        == .refused("the key is not listed"))
  }

  @Test func theLastOfContraryOptionsCounts() {
    #expect(options("restrict")?.allowsTerminal == false)
    #expect(options("restrict")?.allowsForwarding == false)
    #expect(options("restrict,pty")?.allowsTerminal == true)
    #expect(options("restrict,pty")?.allowsForwarding == false)
    #expect(options("pty,restrict")?.allowsTerminal == false)
    #expect(options("no-pty")?.allowsTerminal == false)
    #expect(options("RESTRICT,Port-Forwarding")?.allowsForwarding == true)
    #expect(options("no-port-forwarding")?.allowsForwarding == false)
  }

  @Test func optionsAboutWhatTelpherNeverDoesAreTaken() {
    let text =
      "no-agent-forwarding,agent-forwarding,no-X11-forwarding,x11-forwarding,no-user-rc,user-rc,environment=\"A=b\",tunnel=\"0\""
    #expect(options(text) == KeyOptions())
  }

  @Test(arguments: [
    "cert-authority", "principals=\"a\"", "unknown", "no-unknown", "unknown=\"a\"", "restrict,",
    ",restrict", "restrict,,pty", "from", "from=10.0.0.1", "from=\"10.0.0.1", "from=\"\"",
    "from=\"10.0.0.1\"x", "from=\"10.0.0.1\",from=\"10.0.0.2\"", "from=\"10.0.0.1/8\"",
    "from=\"10.0.0.0/33\"", "from=\"10.0.0.0/\"", "from=\"10.0.0.0/-1\"", "from=\"a,,b\"",
    "from=\"!host.example\"", "from=\"*,!*.example\"", "from=\"host/8\"",
    "command=\"a\",command=\"b\"", "command", "command=\"a", "command=a", "expiry-time=\"\"",
    "expiry-time=\"2026\"", "expiry-time=\"20260231\"", "expiry-time=\"20261301\"",
    "expiry-time=\"202601012400\"", "expiry-time=\"20260101ZZ\"", "expiry-time=\"2026010a\"",
    "expiry-time=\"19600101\"", "expiry-time", "permitopen=\"host\"", "permitopen=\"host:\"",
    "permitopen=\":22\"", "permitopen=\"host:0\"", "permitopen=\"host:65536\"",
    "permitopen=\"host:+22\"", "permitopen=\"::1:22\"", "permitopen=\"[::1]22\"", "permitopen",
    "permitlisten=\"host\"", "permitlisten=\"\"", "environment=\"A\"", "environment=\"=b\"",
    "no-restrict", "restrict=\"yes\"", "pty=\"no\"", "no-command=\"a\"", "restrict\u{0}",
    "no-from=\"10.0.0.1\"", "ssh-restrict",
  ])
  func aLineThatIsNotUnderstoodGrantsNothing(_ text: String) {
    let keys = AuthorizedKeys(Array("\(text) \(Self.key)\n".utf8))
    #expect(keys.refusals.map(\.line) == [1])
    #expect(keys.count == 0)
  }

  @Test(arguments: [
    "ssh-dss AAAAB3NzaC1kc3M=", "ssh-ed25519", "ssh-ed25519 AAAA", "restrict", "command=\"a\"",
    "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
    "ssh-ed25519-cert-v01@openssh.com AAAA", "nonsense",
  ])
  func aLineWithoutAKeyGrantsNothing(_ text: String) {
    let keys = AuthorizedKeys(Array("\(text)\n\(Self.key)\n".utf8))
    #expect(keys.refusals.map(\.line) == [1])
    #expect(keys.count == 1)
  }

  @Test func sourcesAreAddressesRangesAndPatterns() {
    for allowed in [
      "10.1.2.3", "10.0.0.0/8", "*", "10.1.*", "192.168.0.1,10.1.2.?", "!10.1.2.4,10.1.0.0/16",
      "host.example,10.1.2.3", "0.0.0.0/0",
    ] {
      #expect(accepts("from=\"\(allowed)\""), "\(allowed)")
    }
    for refused in [
      "10.1.2.4", "11.0.0.0/8", "10.2.*", "*,!10.1.2.3", "10.1.0.0/16,!10.1.2.0/24", "host.example",
      "!10.1.2.4", "::/0",
    ] {
      #expect(!accepts("from=\"\(refused)\""), "\(refused)")
    }
    #expect(accepts("from=\"10.1.2.3\"", from: "::ffff:10.1.2.3"))
    #expect(accepts("from=\"2001:db8::/32\"", from: "2001:db8:1::2"))
    #expect(accepts("from=\"2001:DB8:0:0::1\"", from: "2001:db8::1"))
    #expect(!accepts("from=\"2001:db8::/32\"", from: "2001:db9::1"))
    #expect(!accepts("from=\"*\"", from: "not an address"))
  }

  @Test func aKeyExpires() {
    #expect(accepts("expiry-time=\"20300101Z\"", at: 1_893_455_999))
    #expect(!accepts("expiry-time=\"20300101Z\"", at: 1_893_456_000))
    #expect(!accepts("expiry-time=\"20310101Z\",expiry-time=\"203001010000Z\"", at: 1_893_456_000))
    #expect(accepts("expiry-time=\"20300101000001Z\"", at: 1_893_456_000))
    #expect(accepts("expiry-time=\"20400101\""))
  }

  @Test func aSecurityKeyMustBeTouched() {
    let key = Self.securityKey
    let touched = SSHSignature.Confirmation(isTouched: true, isVerified: false)
    let verified = SSHSignature.Confirmation(isTouched: true, isVerified: true)
    let neither = SSHSignature.Confirmation(isTouched: false, isVerified: false)
    #expect(accepts("pty", key, touched))
    #expect(!accepts("pty", key, neither))
    #expect(!accepts("pty", key, nil))
    #expect(accepts("no-touch-required", key, neither))
    #expect(!accepts("verify-required", key, touched))
    #expect(accepts("verify-required", key, verified))
    #expect(!accepts("verify-required,no-touch-required", key, neither))
  }

  @Test func rulesForForwardingAreRead() {
    let opens = options("permitopen=\"a:80\",permitopen=\"[::1]:*\"")?.opens
    #expect(opens?.contains { $0.allowsOpen("a", 80) } == true)
    #expect(opens?.contains { $0.allowsOpen("a", 81) } == false)
    #expect(opens?.contains { $0.allowsOpen("A", 80) } == false)
    #expect(opens?.contains { $0.allowsOpen("::1", 9) } == true)
    let listens = options("permitlisten=\"8080\",permitlisten=\"local*:*\"")?.listens
    #expect(listens?.contains { $0.allowsListen("any", 8_080) } == true)
    #expect(listens?.contains { $0.allowsListen("localhost", 1) } == true)
    #expect(listens?.contains { $0.allowsListen("other", 1) } == false)
  }

  @Test func quotesInACommandAreKept() {
    let line = #"command="echo \"a, b\" 'c' \\n",no-pty"#
    #expect(options(line)?.command == #"echo "a, b" 'c' \\n"#)
    #expect(options(line)?.allowsTerminal == false)
  }

  @Test func theFirstLineThatAcceptsCounts() {
    let text = """
      from="192.168.0.1" \(Self.key) first
      command="second" \(Self.key) second
      \(Self.key) third

      """
    let keys = AuthorizedKeys(Array(text.utf8))
    guard case .accepted(let entry) = keys.verdict(on: Self.key, nil, from: "10.1.2.3", at: 0)
    else {
      Issue.record("the key is refused")
      return
    }
    #expect(entry.line == 2)
    #expect(entry.options.command == "second")
  }
}
