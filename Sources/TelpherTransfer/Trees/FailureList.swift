/// The first failures of a transfer. The list is limited, since a peer may cause millions.
struct FailureList: Sendable {
  /// The maximum number of failures, if there is one source.
  private static let maxKept = 1_000
  /// The approximate limit for the bytes of their paths and messages.
  static let maxBytes = 1 << 20

  /// The first failures, in order.
  private(set) var kept: [TransferFailure] = []
  private var bytes = 0
  private let most: Int

  /// An empty list for a transfer of `sources` sources: there is room for one more failure for each
  /// further source.
  init(sources: Int = 1) { most = Self.maxKept + sources - 1 }

  /// Adds a failure if there is room. `message` should contain the path.
  mutating func add(_ path: String, _ message: String) {
    guard kept.count < most, bytes < Self.maxBytes else { return }
    bytes += path.utf8.count + message.utf8.count
    kept.append(TransferFailure(path: path, message: message))
  }
}
