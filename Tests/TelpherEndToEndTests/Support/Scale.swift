import Glibc

/// How much the tests do: little each time, all that the project promises with TELPHER_SLOW=1 in the
/// environment.
enum Scale {
  /// Whether the full counts are asked for.
  static let isFull = getenv("TELPHER_SLOW") != nil

  /// `full` where the full counts are asked for, else `fast`.
  static func pick<Value>(fast: Value, full: Value) -> Value { isFull ? full : fast }
}
