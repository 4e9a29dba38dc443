public import TelpherFiles
public import TelpherWire

/// What became of a transfer.
public struct TransferReport: Sendable, Equatable {
  /// How many entries were stored, left and not stored, on the receiving side.
  public var counts = TreeCounts()
  /// What could not be sent or stored, with the reasons; at most 1,000 for each source.
  public var failures: [TransferFailure] = []

  /// Nothing yet.
  public init() {}

  /// Whether everything is in its place.
  public var isComplete: Bool { counts.failed == 0 && failures.isEmpty }

  mutating func add(_ other: TreeCounts, _ failures: [TransferFailure]) {
    counts.files += other.files
    counts.folders += other.folders
    counts.links += other.links
    counts.skipped += other.skipped
    counts.failed += max(other.failed, failures.count)
    counts.bytes += other.bytes
    self.failures += failures
  }

  mutating func add(_ error: FileError, _ path: String) {
    counts.failed += 1
    failures.append(TransferFailure(path: path, message: error.message))
  }
}
