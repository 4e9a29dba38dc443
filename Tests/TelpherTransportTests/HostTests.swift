import TelpherTransport
import Testing

struct HostTests {
  @Test(arguments: ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
  func loopbackHostsAreRecognized(_ host: String) { #expect(Host.isLoopback(host)) }

  @Test(arguments: ["0.0.0.0", "::", "10.0.0.1", "example.org", "128.0.0.1", "::ffff:10.0.0.1"])
  func otherHostsAreNotLoopback(_ host: String) { #expect(!Host.isLoopback(host)) }
}
