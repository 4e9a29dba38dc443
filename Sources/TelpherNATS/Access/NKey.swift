package import TelpherKeys

/// A key of NATS: an ed25519 key as text, in base32 (RFC 4648) without padding. The first byte tells
/// what the key is for, and the last two are a checksum (CRC-16/XMODEM, low byte first):
///
///     public key   KIND KEY[32] CRC[2]                       such as UA6KOMQ6...
///     seed         0x90|KIND>>5 KIND<<3 SEED[32] CRC[2]      such as SUACSSL3...
package struct NKey: Sendable {
  /// What a key is for: its first letter.
  package enum Kind: UInt8, Sendable {
    /// A user: `U`.
    case user = 0xA0
    /// An account: `A`.
    case account = 0x00
  }

  private static let seedPrefix: UInt8 = 0x90

  /// What it is for.
  package let kind: Kind
  /// The key.
  package let key: Ed25519Key

  /// A key for a purpose.
  package init(_ kind: Kind, _ key: Ed25519Key) { (self.kind, self.key) = (kind, key) }

  /// A new key of a user.
  package static func randomUser() -> NKey { NKey(.user, .random()) }

  /// The key of a seed.
  ///
  /// - Throws: `NATSError` (`badAddress`) if it is no seed of a user or an account. The message does
  ///   not contain it.
  package init(seed text: String) throws(NATSError) {
    guard let bytes = Base32.decode(text), bytes.count == 36, Self.isIntact(bytes) else {
      throw NATSError(
        .badAddress, "the nkey seed is damaged: it is no base32, or its checksum is wrong")
    }
    let kind = Kind(rawValue: (bytes[0] & 7) << 5 | bytes[1] >> 3)
    guard bytes[0] & 0xF8 == Self.seedPrefix, bytes[1] & 7 == 0, let kind,
      let key = Ed25519Key(seed: Array(bytes[2..<34]))
    else { throw NATSError(.badAddress, "the nkey is not the seed of a user") }
    self.init(kind, key)
  }

  /// The seed as text: a secret.
  package var seed: String {
    Base32.encode(
      Self.withChecksum([Self.seedPrefix | kind.rawValue >> 5, kind.rawValue << 3] + key.seed))
  }

  /// The public key as text.
  package var publicKey: String {
    Base32.encode(Self.withChecksum([kind.rawValue] + key.publicKey))
  }

  private static func withChecksum(_ bytes: [UInt8]) -> [UInt8] {
    let sum = checksum(bytes[...])
    return bytes + [UInt8(sum & 0xFF), UInt8(sum >> 8)]
  }

  private static func isIntact(_ bytes: [UInt8]) -> Bool {
    withChecksum(Array(bytes.dropLast(2))) == bytes
  }

  /// CRC-16/XMODEM: polynomial 0x1021, from 0.
  static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
    var sum: UInt16 = 0
    for byte in bytes {
      sum ^= UInt16(byte) << 8
      for _ in 0..<8 { sum = sum & 0x8000 != 0 ? sum << 1 ^ 0x1021 : sum << 1 }
    }
    return sum
  }
}

/// Base32 (RFC 4648, section 6) without padding.
enum Base32 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)

  static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    var (bits, count) = (0, 0)
    for byte in bytes {
      bits = (bits << 8 | Int(byte)) & 0xFFF
      count += 8
      while count >= 5 {
        count -= 5
        text.append(alphabet[bits >> count & 31])
      }
    }
    if count > 0 { text.append(alphabet[bits << (5 - count) & 31]) }
    return String(decoding: text, as: UTF8.self)
  }

  /// The bytes of `text`; nil unless `encode` gives exactly this text for them.
  static func decode(_ text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    var (bits, count) = (0, 0)
    for letter in text.utf8 {
      guard let value = alphabet.firstIndex(of: letter) else { return nil }
      bits = (bits << 5 | value) & 0xFFF
      count += 5
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(bits >> count & 0xFF))
      }
    }
    return encode(bytes).utf8.elementsEqual(text.utf8) ? bytes : nil
  }
}
