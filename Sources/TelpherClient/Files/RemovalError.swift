public import TelpherTransfer

/// The entries of a folder that could not be removed. All other entries were removed.
public struct RemovalError: Error, Sendable, CustomStringConvertible {
  /// The entries that could not be removed, with the reasons; at most 1,000.
  public var failures: [TransferFailure]
  /// The number of all entries that could not be removed.
  public var count: Int
  /// The message of the first failure, and the number of further ones.
  public var description: String

  init(failures: [TransferFailure], count: Int, first: TransferFailure) {
    self.failures = failures
    self.count = count
    description =
      count == 1 ? first.message : "\(first.message) (and \(count - 1) more failures)"
  }
}
