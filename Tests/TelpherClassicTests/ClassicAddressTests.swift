import Testing

@testable import TelpherClassic

struct ClassicAddressTests {
  @Test(arguments: ["tcp:127.0.0.1:80", "udp:[::1]:53", "unix:/tmp/x", "tcp:localhost:0"])
  func localAddressesAreParsed(_ text: String) throws {
    let address = try ClassicAddress(parsing: text)
    #expect(address.description == text)
    #expect(address.staysHere)
  }

  @Test(arguments: ["tcp:0.0.0.0:80", "udp:[::]:53", "udp:8.8.8.8:53", "tcp:example.org:80"])
  func addressesOfOtherHostsAreNotLocal(_ text: String) throws {
    #expect(try !ClassicAddress(parsing: text).staysHere)
  }

  @Test(arguments: ["", "tcp", "udp:1", "http://x", "127.0.0.1:80"])
  func invalidAddressesAreRefused(_ text: String) {
    let error = #expect(throws: ClassicError.self) { try ClassicAddress(parsing: text) }
    #expect(error?.message.contains("udp:HOST:PORT") == true)
  }
}
