// scripts/fuzz compiles this file together with the module.
#if !FUZZ
  @testable import TelpherKeys
#endif

/// Reads bytes with each parser of keys and signatures, and checks what must always be true.
enum AnyInput {
  static func read(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    if let key = try? SSHPublicKey(blob: bytes) { require(key.blob == bytes, "another blob") }
    if let key = try? SSHPublicKey.parse(text).key {
      require((try? SSHPublicKey.parse("\(key)").key) == key, "another key")
    }
    if let signature = try? SSHSignature(blob: bytes) {
      require(signature.blob == bytes, "another signature")
      require(signature.verify([], namespace: "never") == .invalid, "a signature of nothing")
    }
    if let signature = try? SSHSignature(armored: text) {
      require((try? SSHSignature(armored: signature.armored)) == signature, "another text")
    }
    _ = try? AgentMessage.identities(bytes)
    _ = try? AgentMessage.signature(bytes)
    let key = SSHPublicKey(ed25519: [UInt8](repeating: 1, count: 32))!
    let keys = AuthorizedKeys(bytes)
    _ = keys.verdict(on: key, nil, from: "10.1.2.3", at: 0)
    require(keys.refusals.allSatisfy { $0.reason.utf8.count < 1_000 }, "a long reason")
    _ = try? KnownHosts(text).verdict(on: key, of: "host", port: 22)
    let result = KnownHosts.forgetting("host", port: 22, in: text)
    let again = KnownHosts.forgetting("host", port: 22, in: result.text)
    require(again.removed.isEmpty, "the host is still there")
    require(again.text == result.text, "a text that changes")
  }

  private static func require(_ condition: Bool, _ message: String) {
    // Also in an optimized build.
    if !condition { fatalError(message) }
  }
}
