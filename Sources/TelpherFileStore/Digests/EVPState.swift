internal import CTelpherCrypto

/// The state of one digest that OpenSSL computes (EVP_DigestInit(3)).
///
/// Sendable is unchecked: only `update` changes the state, and `FileHasher` calls it only while it
/// holds the only reference.
final class EVPState: @unchecked Sendable {
  private let state: OpaquePointer

  /// An empty state for the algorithm "SHA256" or "MD5". Stops the program if the library does not
  /// offer the algorithm (for instance MD5 if only FIPS algorithms are allowed) or memory runs out.
  init(_ algorithm: String) {
    guard let state = telpher_digest_new(algorithm) else {
      preconditionFailure("OpenSSL does not offer \(algorithm), or there is no memory")
    }
    self.state = state
  }

  init(copying other: EVPState) {
    guard let state = telpher_digest_copy(other.state) else { preconditionFailure("out of memory") }
    self.state = state
  }

  deinit { telpher_digest_free(state) }

  func update(_ bytes: UnsafeRawBufferPointer) {
    guard telpher_digest_update(state, bytes.baseAddress, bytes.count) == 1 else {
      preconditionFailure("a digest in memory cannot fail")
    }
  }

  /// The digest of the bytes so far. `update` may be called again afterwards.
  var digest: [UInt8] {
    // telpher_digest_finish ends a state, so this finishes a copy.
    let copy = EVPState(copying: self)
    return [UInt8](unsafeUninitializedCapacity: Int(TELPHER_DIGEST_MAX)) { buffer, count in
      count = telpher_digest_finish(copy.state, buffer.baseAddress)
      guard count > 0 else { preconditionFailure("a digest in memory cannot fail") }
    }
  }
}
