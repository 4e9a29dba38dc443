import TelpherNATS
import Testing

@Suite struct NATSAddressTests {
  @Test(arguments: [
    ("nats://host", NATSAddress(host: "host")),
    ("tls://host:1234", NATSAddress(host: "host", port: 1_234, requiresTLS: true)),
    ("nats://[::1]:5", NATSAddress(host: "::1", port: 5)),
    ("nats://[::1]", NATSAddress(host: "::1")),
    ("nats://10.0.0.1:4222", NATSAddress(host: "10.0.0.1")),
  ])
  func `An address has a host and perhaps a port`(_ text: String, _ expected: NATSAddress) throws {
    #expect(try NATSAddress(parsing: text) == expected)
    #expect(try NATSAddress(parsing: expected.description) == expected)
  }

  @Test(arguments: [
    "", "host", "http://host", "nats://", "nats://host:", "nats://host:x", "nats://host:0",
    "nats://host:65536", "nats://host/path", "nats://a b", "tls:/host", "nats://:4222",
  ])
  func `Another text is refused`(_ text: String) {
    #expect(throws: NATSError.self) { try NATSAddress(parsing: text) }
  }

  @Test func `Credentials in an address are refused, and not shown`() {
    do throws(NATSError) {
      _ = try NATSAddress(parsing: "nats://user:secret@host")
      Issue.record("it was accepted")
    } catch {
      #expect(!error.message.contains("secret"))
    }
  }

  @Test func `A list has commas`() throws {
    #expect(
      try NATSAddress.list(parsing: "nats://a,tls://b")
        == [NATSAddress(host: "a"), NATSAddress(host: "b", requiresTLS: true)])
    for text in ["nats://a,", ",nats://a", ""] {
      #expect(throws: NATSError.self) { try NATSAddress.list(parsing: text) }
    }
    let many = Array(repeating: "nats://a", count: NATSAddress.most + 1).joined(separator: ",")
    #expect(throws: NATSError.self) { try NATSAddress.list(parsing: many) }
  }
}
