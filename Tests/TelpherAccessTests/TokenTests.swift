import Glibc
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherAccess

struct TokenTests {
  private let folder: SecretFolder
  private var file: TokenFile { TokenFile(folder.path + "/token") }

  init() throws { folder = try SecretFolder() }

  @Test func aTokenIsThirtyTwoBytesInHexadecimal() throws {
    let token = Token.random()
    #expect(token.hexadecimal.utf8.count == 64)
    #expect(Token(hexadecimal: token.hexadecimal)?.bytes == token.bytes)
    for text in ["", "00", String(repeating: "0", count: 63), String(repeating: "g", count: 64)] {
      #expect(Token(hexadecimal: text) == nil)
    }
    #expect(Token.random().bytes != token.bytes)
  }

  @Test func aPrintedTokenRevealsNothing() {
    let token = Token.random()
    var dumped = ""
    dump(token, to: &dumped)
    for text in ["\(token)", String(reflecting: token), dumped] {
      #expect(!text.contains(token.hexadecimal) && !text.contains("\(token.bytes[0]), "))
    }
  }

  @Test func theFileIsCreatedOnceAndThenRead() throws {
    let token = try file.readOrMake()
    #expect(try file.readOrMake().bytes == token.bytes)
    #expect(try file.read().bytes == token.bytes)
  }

  @Test(arguments: ["", "\n", "ab\n", String(repeating: "z", count: 64) + "\n"])
  func aFileWithoutATokenIsRefused(_ text: String) throws {
    try folder.write(text, to: "token")
    #expect(throws: SecretFile.Failure.self) { try file.readOrMake() }
  }

  @Test func aRotatedTokenAppliesAtOnceAndARemovedFileIsAnError() throws {
    let first = try file.readOrMake()
    let source = TokenSource(file)
    #expect(try source.current().bytes == first.bytes)
    try file.rotate()
    let second = try source.current()
    #expect(second.bytes != first.bytes)
    #expect(try file.read().bytes == second.bytes)
    unlink(file.file.path)
    #expect(throws: SecretFile.Failure.self) { try source.current() }
    let third = try file.readOrMake()
    #expect(try source.current().bytes == third.bytes)
  }
}

struct TokenProverTests {
  private static let address = SocketAddress.tcp(host: "127.0.0.1", port: 7_000)
  private static let token = Token(Array(0..<32))!
  private static let transcript: [UInt8] = [1, 2, 3]

  /// The expected proof was computed with Python: hmac.digest(bytes(range(32)), b"telpher server
  /// v1\n127.0.0.1:7000\n" + bytes([1, 2, 3]), "sha256").hex()
  @Test func aProofMatchesTheProtocolPage() {
    let prover = TokenProver(Self.token, at: Self.address)
    let proof = prover.proof(of: .server, over: Self.transcript)
    #expect(
      Hexadecimal.text(proof)
        == "0037f90ec44a2f4e1c601a359aeded47b30c2389429da3da3236810eaaeff58c")
    #expect(prover.accepts(proof, of: .server, over: Self.transcript))
  }

  @Test func aProofIsInvalidElsewhere() {
    let prover = TokenProver(Self.token, at: Self.address)
    let proof = prover.proof(of: .server, over: Self.transcript)
    #expect(!prover.accepts(proof, of: .client, over: Self.transcript))
    #expect(!prover.accepts(proof, of: .server, over: [1, 2, 4]))
    #expect(!prover.accepts([], of: .server, over: Self.transcript))
    #expect(!prover.accepts(Array(proof.dropLast()), of: .server, over: Self.transcript))
    for index in proof.indices {
      var other = proof
      other[index] ^= 1
      #expect(!prover.accepts(other, of: .server, over: Self.transcript))
    }
    #expect(
      !TokenProver(.random(), at: Self.address)
        .accepts(proof, of: .server, over: Self.transcript))
    for address in [
      SocketAddress.tcp(host: "127.0.0.1", port: 7_001), .tcp(host: "127.0.0.2", port: 7_000),
      .tcp(host: "::1", port: 7_000),
    ] {
      #expect(
        !TokenProver(Self.token, at: address)
          .accepts(proof, of: .server, over: Self.transcript))
    }
  }

  @Test(arguments: [("localhost", "127.0.0.1"), ("::1", "0:0:0:0:0:0:0:1")])
  func oneAddressHasOneName(_ names: (String, String)) {
    let proof = TokenProver(Self.token, at: .tcp(host: names.0, port: 1))
      .proof(of: .client, over: [])
    #expect(
      TokenProver(Self.token, at: .tcp(host: names.1, port: 1))
        .accepts(proof, of: .client, over: []))
  }

  @Test func noncesDiffer() {
    #expect(Hello.Auth.fresh() != Hello.Auth.fresh())
  }
}
