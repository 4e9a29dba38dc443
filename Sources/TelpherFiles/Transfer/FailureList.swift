/// What could not be sent or stored, as far as it is kept to be told: a peer may have millions fail.
struct FailureList: Sendable {
  /// Failures that are kept.
  static let maxKept = 1_000
  /// Bytes of their paths and messages, about.
  static let maxBytes = 1 << 20

  /// The first of them.
  private(set) var kept: [TransferFailure] = []
  private var bytes = 0

  /// Adds one; `message` has the path in it.
  mutating func add(_ path: String, _ message: String) {
    guard kept.count < Self.maxKept, bytes < Self.maxBytes else { return }
    bytes += path.utf8.count + message.utf8.count
    kept.append(TransferFailure(path: path, message: message))
  }
}
