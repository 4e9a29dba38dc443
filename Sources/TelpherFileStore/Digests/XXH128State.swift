internal import CXXHash

/// The state of one xxh128 digest that libxxhash computes.
///
/// Sendable is unchecked: only `update` changes the state, and `FileHasher` calls it only while it
/// holds the only reference.
final class XXH128State: @unchecked Sendable {
  private let state: OpaquePointer

  init() {
    guard let state = XXH3_createState() else { preconditionFailure("out of memory") }
    self.state = state
    XXH3_128bits_reset(state)
  }

  init(copying other: XXH128State) {
    guard let state = XXH3_createState() else { preconditionFailure("out of memory") }
    self.state = state
    XXH3_copyState(state, other.state)
  }

  deinit { XXH3_freeState(state) }

  func update(_ bytes: UnsafeRawBufferPointer) {
    telpher_xxh128_update(state, bytes.baseAddress, bytes.count)
  }

  /// The digest: 16 bytes, the most significant first.
  var digest: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 16) { buffer, count in
      telpher_xxh128_digest(state, buffer.baseAddress)
      count = 16
    }
  }
}
