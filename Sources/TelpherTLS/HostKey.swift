internal import CTelpherTLS
package import TelpherAccess

/// The private key by which clients know a server: ed25519, as PEM (PKCS #8).
package struct HostKey: Sendable {
  /// The length of a public key, in bytes.
  package static let publicKeyLength = Int(TELPHER_TLS_KEY_LENGTH)

  private let pem: [UInt8]
  /// The raw public key (RFC 8032).
  package let publicKey: [UInt8]

  /// The key that `pem` holds; nil if it is not an ed25519 key without a passphrase.
  package init?(pem: [UInt8]) {
    var key = [UInt8](repeating: 0, count: Self.publicKeyLength)
    guard pem.withChars({ telpher_tls_public_key($0, $1, &key) }) == 1 else { return nil }
    self.pem = pem
    publicKey = key
  }

  /// A new key.
  package static func random() -> HostKey {
    // A key takes 119 bytes.
    var text = [CChar](repeating: 0, count: 256)
    let count = telpher_tls_make_key(&text, text.count)
    guard let key = HostKey(pem: text.prefix(count).map { UInt8(bitPattern: $0) }) else {
      preconditionFailure("libcrypto always has ed25519")
    }
    return key
  }

  /// Calls `body` with the private key as PEM and its length.
  func withPEM<Result>(_ body: (UnsafePointer<CChar>?, Int) -> Result) -> Result {
    pem.withChars(body)
  }

  fileprivate var fileContents: [UInt8] { pem }
}

// A key that is printed by mistake, in a log or an error, reveals nothing.
extension HostKey: CustomStringConvertible, CustomReflectable {
  /// Nothing of its bytes.
  package var description: String { "a host key" }
  /// Nothing of its bytes.
  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// The file with a server's host key, which the server makes at its first start.
package struct HostKeyFile: Sendable {
  /// The underlying secret file.
  package let file: SecretFile

  /// The file at `path`, which need not exist.
  package init(_ path: String) { file = SecretFile(path) }

  /// The default path: `$XDG_CONFIG_HOME/telpher/host_key`, or else `~/.config/telpher/host_key`.
  package static func defaultPath(environment: [String: String]) -> String {
    SecretFile.defaultPath(of: "host_key", environment: environment)
  }

  /// Reads the key. Creates the file with a new key if it does not exist.
  ///
  /// - Throws: `SecretFile.Failure` if the file can't be made or read, or holds no host key.
  package func readOrMake() throws(SecretFile.Failure) -> HostKey {
    guard let key = HostKey(pem: try file.read(orStore: { HostKey.random().fileContents })) else {
      throw SecretFile.Failure(
        "the host key file \(file.path) does not hold an ed25519 key in PEM without a passphrase: remove it, and the server makes a new key, which its clients must accept"
      )
    }
    return key
  }
}
