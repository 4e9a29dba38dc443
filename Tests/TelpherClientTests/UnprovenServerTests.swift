import TelpherAccess
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import TelpherWire
import Testing

/// A program that listens on the server's TCP port but does not know the token.
@Suite(.timeLimit(.minutes(15))) struct UnprovenServerTests {
  private static let address = SocketAddress.tcp(host: "127.0.0.1", port: 7_000)
  private static let nonce = String(repeating: "0a", count: 32)

  /// Answers of such a program to the client's HELLO.
  static let answers: [(name: String, bytes: [UInt8])] = [
    ("a HELLO without a proof", hello()),
    ("a nonce without a proof", hello(#"{"version":1,"auth":{"nonce":"\#(nonce)"}}"#) + ping(1)),
    (
      "a made-up proof",
      hello(#"{"version":1,"auth":{"nonce":"\#(nonce)"}}"#)
        + RawFrame(type: 11, payload: [UInt8](repeating: 1, count: 32)).bytes
    ),
    (
      "a result",
      hello() + close(1, #"{"result":"exited","code":0,"bytes":{"1":0,"2":0}}"#)
    ),
  ]

  @Test(arguments: answers.indices)
  func anUnprovenServerReceivesNoTokenAndNoRequest(_ index: Int) async throws {
    let network = MemoryNetwork()
    let (loop, serverLoop) = (MemoryLoop(network: network), MemoryLoop(network: network))
    let door = Door(loop: serverLoop)
    try await door.open(at: Self.address)
    let token = Token.random()
    let running = Task {
      let connection = try await Connection.connect(
        to: .socket(Self.address), on: loop, token: token)
      return try await connection.run(Command("secret-command"))
    }
    let peer = await door.peer()
    let said = try await peer.frame(1)
    #expect(said.text.contains("nonce") && !said.text.contains(token.hexadecimal))
    await peer.send(Self.answers[index].bytes)
    do {
      let result = try await running.value
      Issue.record("a result: \(result)")
    } catch let error as ClientError {
      #expect(error.code == .notAuthenticated, "\(error)")
    }
    try await peer.end()
    #expect(await peer.frames.map(\.type).filter { $0 != 10 } == [1])
    await loop.shutDown()
    await serverLoop.shutDown()
  }

  /// The server is full only for a moment: other connections, honest or not, have taken all places.
  @Test func aFullServerIsTriedAgain() async throws {
    let token = Token.random()
    try await withDoor { door, loop in
      let connecting = Task {
        try await Connection.connect(to: .socket(Self.address), on: loop, token: token)
      }
      for number in 0..<2 { try await turnAway(await door.peer(number)) }
      let peer = await door.peer(2)
      let (mine, theirs) = (try await peer.frame(1).payload, Array(Self.provingHello.utf8))
      let transcript = big(UInt32(mine.count)) + mine + big(UInt32(theirs.count)) + theirs
      let proof = TokenProver(token, at: Self.address).proof(of: .server, over: transcript)
      await peer.send(hello(Self.provingHello), RawFrame(type: 11, payload: proof).bytes)
      let connection = try await connecting.value
      let said = try await connection.serverHello()
      #expect(said.version == 1)
      try await peer.frame(11)
    }
  }

  @Test func aServerThatStaysFullIsAnError() async throws {
    try await withDoor { door, loop in
      let connecting = Task {
        try await Connection.connect(to: .socket(Self.address), on: loop, token: .random())
      }
      for number in 0..<6 { try await turnAway(await door.peer(number)) }
      await #expect {
        try await connecting.value
      } throws: {
        ($0 as? ClientError)?.code == .refused && "\($0)".contains("too many")
      }
      #expect(await door.count == 6)
    }
  }

  private static let provingHello = #"{"version":1,"auth":{"nonce":"\#(nonce)"}}"#

  private func turnAway(_ peer: RawPeer) async throws {
    try await peer.frame(1)
    await peer.send(hello(Self.provingHello), goAway(0, 7, "too many"))
    await peer.finishWriting()
  }

  private func withDoor(_ body: (Door, MemoryLoop) async throws -> Void) async throws {
    let network = MemoryNetwork()
    let (loop, serverLoop) = (MemoryLoop(network: network), MemoryLoop(network: network))
    let door = Door(loop: serverLoop)
    try await door.open(at: Self.address)
    let result: Result<Void, any Error>
    do { result = .success(try await body(door, loop)) } catch { result = .failure(error) }
    await loop.shutDown()
    await serverLoop.shutDown()
    try result.get()
  }

  @Test func tcpIsNotUsedWithoutAToken() async throws {
    let network = MemoryNetwork()
    let loop = MemoryLoop(network: network)
    await #expect {
      try await Connection.connect(to: .socket(Self.address), on: loop)
    } throws: {
      ($0 as? ClientError)?.code == .notAuthenticated
    }
    await loop.shutDown()
  }
}
