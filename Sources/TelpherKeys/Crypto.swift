internal import CTelpherCrypto
internal import TelpherJSON

/// The digests that keys and signatures use.
package enum KeyDigest: String, Sendable, CaseIterable {
  /// SHA-256, 32 bytes.
  case sha256
  /// SHA-512, 64 bytes.
  case sha512

  /// The library's name of it.
  var algorithm: String {
    switch self {
    case .sha256: "SHA256"
    case .sha512: "SHA512"
    }
  }

  /// The digest of `bytes`.
  package func callAsFunction(_ bytes: [UInt8]) -> [UInt8] {
    guard let state = telpher_digest_new(algorithm) else {
      preconditionFailure("OpenSSL does not offer \(algorithm), or there is no memory")
    }
    defer { telpher_digest_free(state) }
    guard telpher_digest_update(state, bytes, bytes.count) == 1 else {
      preconditionFailure("a digest in memory cannot fail")
    }
    return [UInt8](unsafeUninitializedCapacity: Int(TELPHER_DIGEST_MAX)) { buffer, count in
      count = telpher_digest_finish(state, buffer.baseAddress)
      guard count > 0 else { preconditionFailure("a digest in memory cannot fail") }
    }
  }
}

/// HMAC-SHA1, with which OpenSSH hides the names of hosts.
func hmacSHA1(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
  var code = [UInt8](repeating: 0, count: 20)
  guard telpher_hmac_sha1(key, key.count, bytes, bytes.count, &code) == 1 else {
    preconditionFailure("libcrypto always has SHA-1 for HMAC")
  }
  return code
}

extension Base64 {
  /// The bytes that `text` encodes; nil unless `encode` gives exactly this text for them.
  static func decodeCanonical(_ text: String) -> [UInt8]? {
    guard let bytes = decode(text), encode(bytes).utf8.elementsEqual(text.utf8) else { return nil }
    return bytes
  }
}
