/// What a file's bytes are compared by. The raw value is its name on the wire and on the command
/// line.
public enum DigestAlgorithm: String, Sendable, CaseIterable {
  /// XXH3 with 128 bits: against errors, not against forgers; ten times as fast as the others.
  case xxh128
  /// SHA-256 (FIPS 180-4).
  case sha256
  /// MD5 (RFC 1321), for those who have lists of it. Forged with ease.
  case md5
}
