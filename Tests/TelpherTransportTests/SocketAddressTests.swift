import TelpherTransport
import Testing

struct SocketAddressTests {
  @Test(arguments: [
    "unix:/tmp/x", "tcp:127.0.0.1:0", "tcp:[::1]:65535", "vsock:any:0", "vsock:local:1024",
    "vsock:host:1", "vsock:3:4294967294", "vsock:0:5",
  ])
  func aParsedAddressPrintsTheSameText(_ text: String) throws {
    #expect(try SocketAddress(parsing: text).description == text)
  }

  @Test(arguments: [("vsock:1:7", "vsock:local:7"), ("vsock:2:7", "vsock:host:7")])
  func aMachineWithANameIsPrintedByIt(_ number: String, _ name: String) throws {
    #expect(try SocketAddress(parsing: number).description == name)
  }

  @Test(arguments: [
    "", "vsock", "vsock:", "vsock:3", "vsock:3:", "vsock::5", "vsock:3:5:7", "vsock:-1:5",
    "vsock:4294967296:5", "vsock:3:4294967295", "vsock:3:-5", "vsock:name:5", "vsock:3:x",
    "unix:", "tcp:127.0.0.1:65536",
  ])
  func otherTextsAreRefused(_ text: String) {
    let error = #expect(throws: TransportError.self) { try SocketAddress(parsing: text) }
    #expect(error?.code == .badAddress)
    #expect(error?.message.contains("vsock:CID:PORT") == true)
  }
}
