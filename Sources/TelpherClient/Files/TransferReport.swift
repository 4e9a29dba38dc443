internal import TelpherFileStore
public import TelpherTransfer
public import TelpherWire

/// The outcome of a transfer.
public struct TransferReport: Sendable, Equatable {
  /// The numbers of entries that were stored, skipped and failed on the receiving side.
  public var counts = TreeCounts()
  /// The entries that could not be sent or stored, with the reasons; the first 1,000, and one
  /// more for each further source.
  public var failures: [TransferFailure] = []
  /// The outcomes of the first 1,000 files with their digests, in the order in which they were
  /// settled. The `onFile` parameter of `put` and `get` receives all of them.
  public var files: [FileReport] = []

  /// Creates an empty report.
  public init() {}

  /// Creates the report of one file that was not sent as an entry of a tree.
  public init(of file: FileReport) {
    files = [file]
    switch file.outcome {
    case .stored: counts.storedEntries.files = 1
    case .skipped: counts.skippedEntries.files = 1
    case .failed(let message):
      counts.failedEntries.files = 1
      failures = [TransferFailure(path: "\(file.path)", message: message)]
    }
    counts.bytes = file.size ?? 0
  }

  /// Whether everything was stored or skipped, without failures.
  public var isComplete: Bool { counts.failed == 0 && failures.isEmpty }

  mutating func add(_ other: TreeCounts, _ failures: [TransferFailure]) {
    counts.storedEntries.add(other.storedEntries)
    counts.skippedEntries.add(other.skippedEntries)
    counts.failedEntries.add(other.failedEntries)
    counts.unsent += other.unsent
    counts.bytes += other.bytes
    counts.changed += other.changed
    self.failures += failures
  }

  mutating func add(_ other: TransferReport) { add(other.counts, other.failures) }

  mutating func add(_ error: FileError, _ path: String) {
    counts.unsent += 1
    failures.append(TransferFailure(path: path, message: error.message))
  }
}

extension EntryCounts {
  fileprivate mutating func add(_ other: EntryCounts) {
    files += other.files
    folders += other.folders
    links += other.links
  }
}

extension CloseResult {
  /// Checks that the server's counts of a tree are those of this side, and that the tree is not
  /// empty: a source is at least one entry.
  ///
  /// - Throws: `FileError` (`protocolError`) if they differ or are 0; the server's failure if it is
  ///   not that of entries.
  func check(against counts: TreeCounts, of source: String) throws(FileError) {
    guard let tree else {
      throw FileError(
        .protocolError, "the server sent no counts for '\(source)'", path: source)
    }
    guard tree == counts else {
      throw FileError(
        .protocolError,
        "the server's counts for '\(source)' differ from those of this side: \(tree.files) and "
          + "\(counts.files) files stored, \(tree.skipped) and \(counts.skipped) entries skipped, "
          + "\(tree.failed) and \(counts.failed) failed", path: source)
    }
    guard counts != TreeCounts() else {
      throw FileError(.protocolError, "nothing was sent of '\(source)'", path: source)
    }
    // The server failed for a reason that is not a failed entry.
    guard !result.isFailure || counts.failed > 0 else { throw FileError(self) }
  }
}
