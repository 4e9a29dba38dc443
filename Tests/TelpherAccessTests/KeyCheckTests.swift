import Glibc
import TelpherAccess
import TelpherKeys
import TelpherTestSupport
import TelpherJSON
import Testing

/// The proof by ssh keys, with keys and signatures of ssh-keygen and ssh-agent.
@Suite(.enabled(if: KeyFolder.hasTools, "ssh-keygen and ssh-agent are needed"))
struct KeyCheckTests {
  private let folder: KeyFolder
  private let binding = [UInt8](repeating: 7, count: 32)

  init() throws {
    folder = try KeyFolder()
    for name in ["one", "other"] { try folder.make(name, ["-t", "ed25519"]) }
    try folder.write("authorized", "restrict \(try folder.publicKey("one"))\n")
  }

  private func check(
    binding: [UInt8]? = nil, source: String = "10.1.2.3", now: Int64 = 1_000_000_000
  ) -> KeyCheck {
    let file = AuthorizedKeysFile(folder.file("authorized"), home: folder.path) { _ in }
    return KeyCheck(file, binding: binding ?? self.binding, source: source, now: { now })
  }

  private func ring(_ name: String) -> KeyRing {
    KeyRing(identity: folder.file(name), environment: ["PATH=/usr/bin:/bin"])
  }

  /// The signatures of the key in a file.
  private func signatures(_ name: String) throws -> [String] {
    let attempts = try ring(name).attempts()
    #expect(attempts == [[.file(folder.file(name))]])
    return try ring(name).sign(binding, attempts[0])
  }

  @Test func aListedKeyIsAcceptedWithItsOptions() throws {
    let check = check()
    #expect(check.accepts(try signatures("one"), of: nil))
    #expect(check.identity == .key(try folder.publicKey("one").fingerprint))
    #expect(check.entry?.options.allowsTerminal == false)
    #expect(check.reasons.isEmpty)
  }

  @Test func anotherKeyIsRefusedForAReasonThatOnlyTheLogGets() throws {
    let check = check()
    #expect(!check.accepts(try signatures("other"), of: nil))
    #expect(check.identity == nil)
    #expect(check.reasons.count == 1)
    #expect(check.reasons.first?.contains("not listed") == true)
  }

  @Test func oneOfSeveralKeysIsEnough() throws {
    let check = check()
    #expect(check.accepts(try signatures("other") + signatures("one"), of: nil))
    #expect(check.identity == .key(try folder.publicKey("one").fingerprint))
  }

  @Test func aProofOfAnotherConnectionIsRefused() throws {
    let check = check(binding: [UInt8](repeating: 8, count: 32))
    #expect(!check.accepts(try signatures("one"), of: nil))
    #expect(check.reasons.first?.contains("not one of this connection") == true)
  }

  @Test func aSignatureForAnotherPurposeIsRefused() throws {
    for (namespace, message) in [("file", binding), ("git", binding), ("telpher-auth-v2", binding)]
    {
      let signature = try SSHKeygen.sign(
        message, with: folder.file("one"), namespace: namespace, environment: ["PATH=/usr/bin"])
      #expect(!check().accepts([KeyProof.text(signature)], of: nil))
    }
  }

  @Test func anotherDigestIsRefused() throws {
    try folder.write("message", String(decoding: binding, as: UTF8.self))
    let armored = try folder.run(
      [
        "ssh-keygen", "-q", "-Y", "sign", "-f", folder.file("one"), "-n", KeyProof.namespace, "-O",
        "hashalg=sha256",
      ], input: "message")
    let signature = try SSHSignature(armored: armored)
    #expect(signature.verify(binding, namespace: KeyProof.namespace) == .valid(nil))
    #expect(!check().accepts([KeyProof.text(signature)], of: nil))
  }

  @Test func theNumberOfSignaturesIsLimited() throws {
    let one = try signatures("one")
    #expect(check().accepts(Array(repeating: one[0], count: KeyProof.maxSignatures), of: nil))
    #expect(!check().accepts(Array(repeating: one[0], count: KeyProof.maxSignatures + 1), of: nil))
    #expect(!check().accepts([], of: nil))
    #expect(!check().accepts(["", "!", String(repeating: "A", count: 4_000)], of: nil))
  }

  @Test func malformedProofsAreRefused() throws {
    var random = SeededGenerator(seed: 18)
    let proof = try signatures("one")[0]
    let right = try #require(Base64.decode(proof))
    let check = check()
    for _ in 0..<100_000 {
      var bytes = right
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let position = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[position] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 1: bytes.remove(at: position)
        default: bytes.insert(.random(in: 0...255, using: &random), at: position)
        }
      }
      guard bytes != right else { continue }
      #expect(!check.accepts([Base64.encode(bytes)], of: nil))
    }
    #expect(check.accepts([proof], of: nil))
  }

  @Test func theOptionsOfTheLineCount() throws {
    let key = try folder.publicKey("one")
    let proof = try signatures("one")
    try folder.write("authorized", "from=\"10.0.0.0/8\",expiry-time=\"20300101Z\" \(key)\n")
    #expect(check().accepts(proof, of: nil))
    #expect(!check(source: "11.0.0.1").accepts(proof, of: nil))
    #expect(!check(now: 1_900_000_000).accepts(proof, of: nil))
  }

  @Test func aFileThatMayNotBeTrustedAcceptsNoKey() throws {
    let proof = try signatures("one")
    try folder.write("authorized", "\(try folder.publicKey("one"))\n", mode: 0o666)
    let check = check()
    #expect(!check.accepts(proof, of: nil))
    #expect(check.reasons.contains { $0.contains("can be written by other users") })
  }

  @Test func theAgentSignsForAPublicKeyFileAndForAllItsKeys() async throws {
    let agent = try await Agent(in: folder)
    for name in ["one", "other"] { try agent.add(name, of: folder) }
    let keys = try ["one", "other"].map { try folder.publicKey($0) }
    var ring = KeyRing(agent: agent.path)
    #expect(try ring.attempts() == [keys.map { .agent($0) }])
    let signatures = try ring.sign(binding, keys.map { .agent($0) })
    #expect(signatures.count == 2)
    #expect(check().accepts(signatures, of: nil))
    // The private key itself is not needed.
    unlink(folder.file("one"))
    ring.identity = folder.file("one.pub")
    #expect(try ring.attempts() == [[.agent(keys[0])]])
    ring.identity = folder.file("one")
    #expect(try ring.attempts() == [[.agent(keys[0])]])
  }

  @Test func manyKeysTakeSeveralAttempts() async throws {
    let agent = try await Agent(in: folder)
    for number in 1...6 {
      try folder.make("key\(number)", ["-t", "ed25519"])
      try agent.add("key\(number)", of: folder)
    }
    let usual = ["missing", "one", "key1"].map { folder.file($0) }
    let ring = KeyRing(agent: agent.path, usualFiles: usual)
    // The agent has key1, so its file is not used.
    #expect(try ring.attempts().map(\.count) == [4, 2, 1])
    #expect(try ring.attempts().last == [.file(folder.file("one"))])
  }

  @Test func signaturesFitIntoAHello() async throws {
    let agent = try await Agent(in: folder)
    for number in 1...3 {
      try folder.make("rsa\(number)", ["-t", "rsa", "-b", "4096"])
      try agent.add("rsa\(number)", of: folder)
    }
    let ring = KeyRing(agent: agent.path)
    let signatures = try ring.sign(binding, try ring.attempts()[0])
    #expect(signatures.count == 2)
    #expect(signatures.joined().utf8.count < 3_600)
  }

  @Test func withoutAKeyTheUserLearnsWhatToDo() throws {
    #expect(throws: KeyError.self) { try KeyRing().attempts() }
    #expect(throws: KeyError.self) { try ring("missing").attempts() }
    #expect(throws: KeyError.self) {
      try ring("missing").sign(binding, [.file(folder.file("missing"))])
    }
  }
}
