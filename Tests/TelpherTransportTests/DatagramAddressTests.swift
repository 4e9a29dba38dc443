import TelpherTransport
import Testing

struct DatagramAddressTests {
  @Test(arguments: ["udp:127.0.0.1:53", "udp:localhost:0", "udp:[::1]:65535"])
  func aParsedAddressPrintsTheSameText(_ text: String) throws {
    #expect(try DatagramAddress(parsing: text).description == text)
  }

  @Test(arguments: [
    "", "udp", "udp:", "udp:1", "udp::1", "udp:host:", "udp:host:65536", "udp:host:-1",
    "tcp:127.0.0.1:1", "unix:/tmp/x",
  ])
  func otherTextsAreRefused(_ text: String) {
    let error = #expect(throws: TransportError.self) { try DatagramAddress(parsing: text) }
    #expect(error?.code == .badAddress)
    #expect(error?.message.contains("udp:HOST:PORT") == true)
  }
}
