/// A digest algorithm that verifies a file's bytes. The raw value is its name on the wire and on
/// the command line.
public enum DigestAlgorithm: String, Sendable, CaseIterable {
  /// XXH3 with 128 bits. It detects errors but not deliberate changes, and is ten times as fast as
  /// the others.
  case xxh128
  /// SHA-256 (FIPS 180-4).
  case sha256
  /// MD5 (RFC 1321), for comparison with existing lists of MD5 digests. It is easy to forge.
  case md5
}
