import Glibc
import Synchronization
import TelpherKeys
import TelpherTestSupport
import Testing

/// What ssh-keygen says of a key and of signatures must be what this module says.
@Suite(.enabled(if: KeyFolder.hasTools, "ssh-keygen and ssh-agent are needed"))
struct KeygenTests {
  private let folder: KeyFolder
  private let message = Array("a message\n".utf8)
  private let namespace = "telpher-test"

  init() throws { folder = try KeyFolder() }

  /// Makes a signature of `message` with ssh-keygen.
  private func sign(_ name: String, digest: KeyDigest = .sha512) throws -> SSHSignature {
    try folder.write("message", "a message\n")
    let armored = try folder.run(
      [
        "ssh-keygen", "-q", "-Y", "sign", "-f", folder.file(name), "-n", namespace, "-O",
        "hashalg=\(digest.rawValue)",
      ], input: "message")
    let signature = try SSHSignature(armored: armored)
    #expect(signature.armored == armored)
    #expect(try SSHSignature(blob: signature.blob) == signature)
    return signature
  }

  @Test(arguments: KeyFolder.types.map(\.name))
  func fingerprintsAreThoseOfSSHKeygen(_ name: String) throws {
    let arguments = try #require(KeyFolder.types.first { $0.name == name }).arguments
    try folder.make(name, arguments)
    let key = try folder.publicKey(name)
    let words = try folder.run(["ssh-keygen", "-l", "-f", folder.file("\(name).pub")])
      .split(separator: " ")
    #expect(words[0] == "\(key.bits)")
    #expect(words[1] == key.fingerprint)
    #expect(try SSHPublicKey(blob: key.blob) == key)
    let line = try SSHPublicKey.parse("\(key)  a comment \r")
    #expect(line.key == key)
    #expect(line.comment == "a comment")
  }

  @Test(arguments: KeyFolder.types.map(\.name), KeyDigest.allCases)
  func signaturesOfSSHKeygenAreValid(_ name: String, _ digest: KeyDigest) throws {
    let arguments = try #require(KeyFolder.types.first { $0.name == name }).arguments
    try folder.make(name, arguments)
    let signature = try sign(name, digest: digest)
    #expect(signature.digest == digest)
    #expect(signature.key == (try folder.publicKey(name)))
    #expect(signature.verify(message, namespace: namespace) == .valid(nil))
    #expect(signature.verify(message, namespace: "telpher") == .invalid)
    #expect(signature.verify(message + [0], namespace: namespace) == .invalid)
    #expect(signature.verify([], namespace: namespace) == .invalid)
  }

  @Test func noByteOfASignatureCanBeChanged() throws {
    // RSA and Ed25519: the ECDSA signature has no byte without meaning either.
    for (name, arguments) in KeyFolder.types {
      try folder.make(name, arguments)
      let blob = try sign(name).blob
      for position in blob.indices {
        for bit in Scale.isFull ? Array(0..<8) : [position % 8] {
          var changed = blob
          changed[position] ^= 1 << UInt8(bit)
          let verdict = try? SSHSignature(blob: changed).verify(message, namespace: namespace)
          #expect(verdict != .valid(nil), "\(name), byte \(position), bit \(bit)")
        }
        let cut = try? SSHSignature(blob: Array(blob[..<position]))
        #expect(cut == nil, "\(name), cut at \(position)")
      }
      #expect((try? SSHSignature(blob: blob + [0])) == nil)
    }
  }

  @Test func aSignatureOfAnotherKeyIsInvalid() throws {
    try folder.make("one", ["-t", "ed25519"])
    try folder.make("other", ["-t", "ed25519"])
    let signature = try sign("one")
    let swapped = SSHSignature(
      key: try folder.publicKey("other"), namespace: namespace, digest: .sha512,
      signature: signature.signature)
    #expect(swapped.verify(message, namespace: namespace) == .invalid)
  }

  @Test func theAgentsSignaturesAreValidForSSHKeygen() async throws {
    let agent = try await Agent(in: folder)
    for (name, arguments) in KeyFolder.types {
      try folder.make(name, arguments)
      try agent.add(name, of: folder)
    }
    let connection = try SSHAgent(at: agent.path)
    let identities = try connection.identities()
    #expect(identities.map(\.comment) == KeyFolder.types.map { "comment of \($0.name)" })
    try folder.write("message", "a message\n")
    for identity in identities {
      let key = try #require(identity.key)
      let signature = try connection.sign(message, with: key, namespace: namespace)
      #expect(signature.verify(message, namespace: namespace) == .valid(nil))
      try folder.write("signers", "me \(key)\n")
      try folder.write("signature", signature.armored)
      let answer = try folder.run(
        [
          "ssh-keygen", "-Y", "verify", "-f", folder.file("signers"), "-I", "me", "-n", namespace,
          "-s", folder.file("signature"),
        ], input: "message")
      #expect(answer.contains(key.fingerprint))
    }
  }

  @Test func anAgentThatLacksTheKeyRefuses() async throws {
    let agent = try await Agent(in: folder)
    try folder.make("key", ["-t", "ed25519"])
    let connection = try SSHAgent(at: agent.path)
    #expect(try connection.identities().isEmpty)
    let key = try folder.publicKey("key")
    #expect(throws: KeyError("the ssh-agent refuses to sign with this key")) {
      try connection.sign(message, with: key, namespace: namespace)
    }
    // The connection is still of use.
    #expect(try connection.identities().isEmpty)
  }

  @Test func aSocketWithoutAnAgentIsReported() throws {
    #expect(throws: KeyError.self) { try SSHAgent(at: folder.file("none")) }
    #expect(throws: KeyError.self) { try SSHAgent(at: "") }
    #expect(throws: KeyError.self) { try SSHAgent(at: String(repeating: "a", count: 200)) }
  }

  @Test func aFailedConnectionClosesItsDescriptorOnce() async throws {
    // A second close would hit a descriptor that the other task has opened in between.
    let isOver = Atomic(false)
    let path = folder.file("none")
    async let failures = {
      var failures = 0
      while !isOver.load(ordering: .relaxed) {
        if close(dup(STDERR_FILENO)) != 0 { failures += 1 }
      }
      return failures
    }()
    for _ in 0..<20_000 { _ = try? SSHAgent(at: path) }
    isOver.store(true, ordering: .relaxed)
    #expect(await failures == 0)
  }

  @Test func anRSAKeyBelow2048BitsIsRefused() throws {
    try folder.make("short", ["-t", "rsa", "-b", "1024"])
    #expect(throws: KeyError.self) { try folder.publicKey("short") }
  }

  @Test func aSHA1SignatureIsRefused() throws {
    try folder.make("rsa", ["-t", "rsa", "-b", "2048"])
    var signature = try sign("rsa").signature
    // The name of the algorithm without "-sha2-512": what an old agent would give.
    let name = Array("ssh-rsa".utf8)
    signature.replaceSubrange(0..<16, with: [0, 0, 0, 7] + name)
    let old = SSHSignature(
      key: try folder.publicKey("rsa"), namespace: namespace, digest: .sha512, signature: signature)
    #expect(old.verify(message, namespace: namespace) == .invalid)
  }
}
