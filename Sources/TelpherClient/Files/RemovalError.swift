public import TelpherFiles

/// What of a folder could not be removed. All the rest is removed.
public struct RemovalError: Error, Sendable, CustomStringConvertible {
  /// What could not be removed, with the reasons; at most 1,000.
  public var failures: [TransferFailure]
  /// How many there are in all.
  public var count: Int
  /// The first of them, for a person.
  public var description: String

  init(failures: [TransferFailure], count: Int, first: TransferFailure) {
    self.failures = failures
    self.count = count
    description =
      count == 1 ? first.message : "\(first.message) (and \(count - 1) more failures)"
  }
}
