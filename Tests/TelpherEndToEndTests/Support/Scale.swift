import Glibc

/// The sizes and counts of the tests: small by default, and those that the project promises if
/// TELPHER_SLOW is in the environment.
enum Scale {
  /// Whether the tests use the full counts.
  static let isFull = getenv("TELPHER_SLOW") != nil

  /// Returns `full` if the tests use the full counts, otherwise `fast`.
  static func pick<Value>(fast: Value, full: Value) -> Value { isFull ? full : fast }
}
