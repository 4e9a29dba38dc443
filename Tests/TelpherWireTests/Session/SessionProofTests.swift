import TelpherTestSupport
import TelpherWire
import Testing

/// Proves by a simple sum: these tests check the order of the opening, not the strength of proofs.
struct SumProver: ConnectionProver {
  var secret: UInt8 = 7

  func proof(of role: Session.Role, over transcript: [UInt8]) -> [UInt8] {
    var sum = transcript.reduce(UInt32(secret)) { $0 &* 31 &+ UInt32($1) }
    sum = sum &* 2 &+ (role == .server ? 1 : 0)
    return (0..<32).map { UInt8(truncatingIfNeeded: sum &>> ($0 % 4 * 8)) }
  }

  func accepts(_ proof: [UInt8], of role: Session.Role, over transcript: [UInt8]) -> Bool {
    proof == self.proof(of: role, over: transcript)
  }
}

@Suite struct SessionProofTests {
  private static let nonce = String(repeating: "0a", count: 32)
  private static let helloJSON = #"{"version":1,"auth":{"nonce":"\#(nonce)"}}"#
  private static func auth(_ payload: [UInt8] = [UInt8](repeating: 0, count: 32)) -> [UInt8] {
    RawFrame(type: 0x0B, payload: payload).bytes
  }

  /// An end that requires a proof.
  private func end(_ role: Session.Role, secret: UInt8 = 7) -> End {
    let hello = Hello(
      auth: Hello.Auth(nonce: String(repeating: role == .client ? "c" : "d", count: 64)))
    return End(role, hello, prover: SumProver(secret: secret))
  }

  @Test func `A client sends only its HELLO before the server has proven itself`() throws {
    let (client, server) = (end(.client), end(.server))
    _ = try client.open(noInput: true)
    let first = client.takeOutput()
    #expect(RawFrame.all(in: first).map(\.type) == [0x01])
    _ = server.takeOutput()

    // The server has sent its HELLO already. Its proof follows the client's HELLO, which gives no
    // event.
    #expect(try server.receive(first).isEmpty)
    let proof = server.takeOutput()
    #expect(RawFrame.all(in: proof).map(\.type) == [0x0B])
    let serverHello = end(.server).takeOutput()
    #expect(try client.receive(serverHello).isEmpty)
    #expect(client.takeOutput().isEmpty)

    let seen = try client.receive(proof)
    guard case .event(.hello) = seen.first, seen.count == 1 else {
      Issue.record("no HELLO, but \(seen)")
      return
    }
    let rest = client.takeOutput()
    #expect(RawFrame.all(in: rest).map(\.type) == [0x0B, 0x02])
    let taken = try server.receive(rest)
    #expect(taken.count == 2)
    guard case .event(.hello) = taken.first, case .event(.open(1, _, true)) = taken.last else {
      Issue.record("not HELLO and OPEN, but \(taken)")
      return
    }
  }

  @Test func `A server that has sent nothing announces itself with its proof`() throws {
    let server = End(
      .server, Hello(auth: Hello.Auth(nonce: Self.nonce)), announces: false, prover: SumProver())
    #expect(server.takeOutput().isEmpty)
    #expect(try server.receive(preface + helloFrame(Self.helloJSON)).isEmpty)
    let output = server.takeOutput()
    #expect(output.starts(with: preface))
    #expect(RawFrame.all(in: output).map(\.type) == [0x01, 0x0B])
  }

  @Test(arguments: [
    openRun(1), data(1, .stdin, [1]), ping([0, 0, 0, 0, 0, 0, 0, 1]), helloFrame(),
  ])
  func `A server accepts no other frame before the client's proof`(frame: [UInt8]) {
    let server = end(.server)
    #expect(server.refusal(of: preface + helloFrame(Self.helloJSON) + frame) == .notAuthenticated)
    #expect(server.openStreams == 0)
  }

  @Test func `Another frame instead of a proof is refused at its header`() {
    let header = RawFrame(type: 0x02, stream: 1).header(length: 65_536)
    #expect(
      end(.server).refusal(of: preface + helloFrame(Self.helloJSON) + header) == .notAuthenticated)
  }

  @Test(arguments: [0, 31, 33]) func `A proof has 32 bytes`(length: Int) {
    let frame = Self.auth([UInt8](repeating: 0, count: length))
    #expect(
      end(.server).refusal(of: preface + helloFrame(Self.helloJSON) + frame) == .protocolError)
  }

  @Test func `Both ends refuse a proof by another secret`() throws {
    let client = end(.client)
    _ = try client.open()
    _ = client.takeOutput()
    let liar = end(.server, secret: 8)
    _ = try liar.receive(end(.client).takeOutput())
    #expect(client.refusal(of: liar.takeOutput()) == .notAuthenticated)
    #expect(client.takeOutput().isEmpty)

    let server = end(.server)
    #expect(
      server.refusal(of: preface + helloFrame(Self.helloJSON) + Self.auth()) == .notAuthenticated)
  }

  @Test func `A proof that is sent back to its maker is refused`() throws {
    let server = end(.server)
    _ = server.takeOutput()
    _ = try server.receive(preface + helloFrame(Self.helloJSON))
    #expect(server.refusal(of: server.takeOutput()) == .notAuthenticated)
  }

  @Test(arguments: [
    #"{"version":1}"#, #"{"version":1,"auth":{}}"#, #"{"version":1,"auth":{"nonce":"0a"}}"#,
    #"{"version":1,"auth":{"nonce":"\#(String(repeating: "0A", count: 32))"}}"#,
    #"{"version":1,"auth":{"token":"\#(nonce)"}}"#,
  ])
  func `An end that requires a proof refuses a HELLO without a nonce`(json: String) throws {
    for role in [Session.Role.client, .server] {
      let end = end(role)
      if role == .client { _ = try end.open() }
      _ = end.takeOutput()
      #expect(end.refusal(of: preface + helloFrame(json)) == .notAuthenticated)
      #expect(end.takeOutput().isEmpty)
    }
  }

  @Test func `A client that gives up drops its held-back frames`() throws {
    let client = end(.client)
    let stream = try client.open()
    _ = client.takeOutput()
    client.session.reset(stream, .canceled, reason: "no")
    client.session.goAway(.notAuthenticated, reason: "no proof")
    #expect(client.takeFrames().map(\.type) == [0x0A])
  }

  @Test func `A server may reject a client before its proof or instead of it`() throws {
    let client = end(.client)
    #expect(try client.events(preface + goAway(0)).count == 1)
    let other = end(.client)
    #expect(try other.events(preface + helloFrame(Self.helloJSON) + goAway(0)).count == 1)
  }

  @Test func `A proof that is not required is an error`() throws {
    #expect(try End.ready(.client).refusal(of: Self.auth()) == .protocolError)
    #expect(try End.ready(.server).refusal(of: Self.auth()) == .protocolError)
  }

  @Test func `After a GOAWAY instead of a HELLO no other frame is accepted`() {
    for frame in [data(1, .stdout, [1]), ping([0, 0, 0, 0, 0, 0, 0, 1]), openRun(1)] {
      #expect(End(.client).refusal(of: preface + goAway(0) + frame) == .protocolError)
    }
  }
}
