internal import CTelpherCrypto

/// A private key of ed25519 (RFC 8032), which signs.
package struct Ed25519Key: Sendable {
  /// The length of a private and of a public key, in bytes.
  package static let length = 32

  /// The private key: 32 random bytes.
  package let seed: [UInt8]
  /// The public key.
  package let publicKey: [UInt8]

  /// The key with this seed; nil unless it has 32 bytes.
  package init?(seed: [UInt8]) {
    guard seed.count == Self.length else { return nil }
    var key = [UInt8](repeating: 0, count: Self.length)
    guard telpher_ed25519_public_key(seed, &key) == 1 else {
      preconditionFailure("libcrypto always has ed25519, and any 32 bytes are a key")
    }
    self.seed = seed
    publicKey = key
  }

  /// A new key.
  package static func random() -> Ed25519Key {
    var seed = [UInt8](repeating: 0, count: length)
    guard telpher_random(&seed, seed.count) == 1, let key = Ed25519Key(seed: seed) else {
      preconditionFailure("the system always has random bytes")
    }
    return key
  }

  /// The signature of `message`, 64 bytes.
  package func sign(_ message: [UInt8]) -> [UInt8] {
    var signature = [UInt8](repeating: 0, count: 64)
    guard telpher_ed25519_sign(seed, message, message.count, &signature) == 1 else {
      preconditionFailure("libcrypto always has ed25519")
    }
    return signature
  }
}

// A key that is printed by mistake, in a log or an error, reveals nothing.
extension Ed25519Key: CustomStringConvertible, CustomReflectable {
  /// Nothing of its bytes.
  package var description: String { "an ed25519 key" }
  /// Nothing of its bytes.
  package var customMirror: Mirror { Mirror(self, children: []) }
}
