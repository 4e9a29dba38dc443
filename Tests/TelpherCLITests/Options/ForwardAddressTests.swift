import Testing
import TelpherTransport

@testable import TelpherCLI

struct ForwardAddressTests {
  @Test func aPortAloneIsOpenToItsOwnMachineOnly() throws {
    let address = try ForwardAddress.parse("8080")
    #expect(address.toListen == .tcp(host: "127.0.0.1", port: 8080))
    #expect(address.toListenAtServer == .tcp(host: "localhost", port: 8080))
    #expect(address.toConnect == .tcp(host: "localhost", port: 8080))
  }

  @Test(arguments: [
    ("db:5432", SocketAddress.tcp(host: "db", port: 5432)),
    ("tcp:db:5432", .tcp(host: "db", port: 5432)),
    ("[::1]:80", .tcp(host: "::1", port: 80)),
    ("0.0.0.0:80", .tcp(host: "0.0.0.0", port: 80)),
    ("unix:/run/a:1.sock", .unix(path: "/run/a:1.sock")),
  ])
  func anAddressIsTakenAsItIs(_ text: String, _ expected: SocketAddress) throws {
    let address = try ForwardAddress.parse(text)
    #expect(address.toListen == expected)
    #expect(address.toListenAtServer == expected)
    #expect(address.toConnect == expected)
  }

  @Test(arguments: ["", "x", "-1", "65536", "a:b", ":80", "unix:", "tcp:", "/run/x.sock"])
  func otherTextsAreRefused(_ text: String) {
    #expect(throws: (any Error).self) { try ForwardAddress.parse(text) }
  }
}
