internal import CXXHash

/// Computes a digest step by step. It is a value: a copy continues independently.
package struct FileHasher: Sendable {
  private enum State {
    case xxh128(XXH128State)
    case evp(EVPState)
    /// Empty while `update` runs: it takes the state out, so that no second reference forces a
    /// copy.
    case taken
  }

  private var state: State

  /// Creates a digest of no bytes.
  package init(_ algorithm: DigestAlgorithm) {
    switch algorithm {
    case .xxh128: state = .xxh128(XXH128State())
    case .sha256: state = .evp(EVPState("SHA256"))
    case .md5: state = .evp(EVPState("MD5"))
    }
  }

  /// Adds the next bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    let old = state
    state = .taken
    switch consume old {
    case .xxh128(var hash):
      if !isKnownUniquelyReferenced(&hash) { hash = XXH128State(copying: hash) }
      hash.update(bytes)
      state = .xxh128(hash)
    case .evp(var hash):
      if !isKnownUniquelyReferenced(&hash) { hash = EVPState(copying: hash) }
      hash.update(bytes)
      state = .evp(hash)
    case .taken: preconditionFailure("update puts back what it takes")
    }
  }

  /// The digest of the bytes so far in lower-case hexadecimal; for `xxh128` as `xxhsum -H2` prints
  /// it. `update` may be called again afterwards.
  package var digest: String {
    switch state {
    case .xxh128(let hash): hash.digest.hexadecimal
    case .evp(let hash): hash.digest.hexadecimal
    case .taken: preconditionFailure("update puts back what it takes")
    }
  }
}

extension Sequence<UInt8> {
  /// The bytes as hexadecimal: two lower-case digits per byte.
  var hexadecimal: String {
    var text: [UInt8] = []
    for byte in self {
      text.append(hexadecimalDigit(byte >> 4))
      text.append(hexadecimalDigit(byte & 15))
    }
    return String(decoding: text, as: UTF8.self)
  }
}

private func hexadecimalDigit(_ value: UInt8) -> UInt8 {
  value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}
