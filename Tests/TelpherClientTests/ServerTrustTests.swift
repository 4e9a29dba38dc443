import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import Testing

@Suite(.timeLimit(.minutes(15))) struct ServerTrustTests {
  private static let stranger: UInt32 = 12_345

  @Test func nothingIsSentToAServerOfAnotherUser() async throws {
    let network = MemoryNetwork()
    network.setListeningPeer(.user(uid: Self.stranger, pid: 1))
    let (loop, serverLoop) = (MemoryLoop(network: network), MemoryLoop(network: network))
    let door = Door(loop: serverLoop)
    try await door.open()
    do {
      _ = try await Connection.connect(to: .socket(.unix(path: "/fake")), on: loop)
      Issue.record("the server of another user was accepted")
    } catch let error as ClientError {
      #expect(error.code == .notAuthenticated)
      #expect(error.message.contains("--trust-uid \(Self.stranger)"))
    }
    let peer = await door.peer()
    try await peer.end()
    #expect(await peer.receivedBytes == 0)
    await loop.shutDown()
    await serverLoop.shutDown()
  }

  @Test(arguments: [geteuid(), 0, stranger])
  func aServerOfATrustedUserIsAccepted(_ user: UInt32) async throws {
    try await FakeServer.with(
      prepare: { $0.setListeningPeer(.user(uid: user, pid: 1)) }, trustedUsers: [Self.stranger]
    ) { server in
      let hello = try await server.connection.serverHello()
      #expect(hello.version == 1)
    }
  }
}
