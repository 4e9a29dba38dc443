public import TelpherWire

/// What became of one file of a transfer.
public struct FileReport: Sendable, Equatable {
  /// What a file ends as.
  public enum Outcome: Sendable, Equatable {
    /// It is in its place, and verified.
    case stored
    /// What is there was left.
    case skipped(SkipReason)
    /// It could not be sent or stored: why, for a person.
    case failed(String)
  }

  /// Its path, below the folder that the transfer goes to.
  public var path: PathText
  /// What became of it.
  public var outcome: Outcome
  /// Its length in bytes; nil if it was not moved.
  public var size: Int64?
  /// Its digest in lower-case hexadecimal; nil if none was computed: of a file that failed, or that was
  /// skipped by its size and time.
  public var digest: String?
  /// What computes the transfer's digests.
  public var algorithm: DigestAlgorithm
  /// How it changed while it was read; nil if it did not.
  public var change: TreeRecord.Change?

  /// What became of a file that is no entry of a tree.
  package init(
    _ path: PathText, _ outcome: Outcome, _ algorithm: DigestAlgorithm, size: Int64? = nil,
    digest: String? = nil
  ) {
    self.path = path
    self.outcome = outcome
    self.algorithm = algorithm
    (self.size, self.digest) = (size, digest)
  }

  /// Takes what a ledger says.
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

/// Takes the report of each file as the file is settled, on the thread that moves the files: what it does
/// holds the transfer up.
public typealias FileReportHandler = @Sendable (FileReport) -> Void
