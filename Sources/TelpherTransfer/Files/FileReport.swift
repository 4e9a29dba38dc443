public import TelpherFileStore
public import TelpherWire

/// The result of one file of a transfer.
public struct FileReport: Sendable, Equatable {
  /// The outcome of a file.
  public enum Outcome: Sendable, Equatable {
    /// The file is stored and verified.
    case stored
    /// The existing file was kept.
    case skipped(SkipReason)
    /// The file could not be sent or stored; the value is a message for the user.
    case failed(String)
  }

  /// The path below the folder that the transfer goes to.
  public var path: PathText
  /// The outcome.
  public var outcome: Outcome
  /// The length in bytes; nil if the file was not stored.
  public var size: Int64?
  /// The digest in lower-case hexadecimal. Nil if none was computed: the file failed, or was
  /// skipped without comparing digests.
  public var digest: String?
  /// The algorithm of the digest.
  public var algorithm: DigestAlgorithm
  /// How the file changed while it was read; nil if it did not.
  public var change: FileChange?

  /// The report of a file that is not part of a tree.
  package init(
    _ path: PathText, _ outcome: Outcome, _ algorithm: DigestAlgorithm, size: Int64? = nil,
    digest: String? = nil
  ) {
    self.path = path
    self.outcome = outcome
    self.algorithm = algorithm
    (self.size, self.digest) = (size, digest)
  }

  /// The report of a settled entry of a ledger.
  init(
    _ path: [UInt8], _ entry: TransferLedger.Entry, _ outcome: Outcome, _ algorithm: DigestAlgorithm
  ) {
    self.path = PathText(path)
    self.outcome = outcome
    self.algorithm = algorithm
    switch outcome {
    case .stored: (size, digest, change) = (entry.size, entry.digest, entry.change)
    case .skipped: digest = entry.announcedDigest
    case .failed: break
    }
  }
}

/// Receives the report of each file when the file is settled. It is called on the thread of the
/// transfer, which waits until it returns.
public typealias FileReportHandler = @Sendable (FileReport) -> Void
