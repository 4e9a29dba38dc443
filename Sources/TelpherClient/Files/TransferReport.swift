public import TelpherFiles
public import TelpherWire

/// What became of a transfer.
public struct TransferReport: Sendable, Equatable {
  /// How many entries were stored, left and not stored, on the receiving side.
  public var counts = TreeCounts()
  /// What could not be sent or stored, with the reasons; at most 1,000 for each source.
  public var failures: [TransferFailure] = []
  /// What became of each file, with its digest: the first 1,000 of them, in the order in which that was
  /// known. `onFile` of `put` and `get` gets all.
  public var files: [FileReport] = []

  /// Nothing yet.
  public init() {}

  /// What became of a transfer of one file that is no entry of a tree.
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

  /// Whether everything is in its place.
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
  /// Makes sure that the server counts what became of a tree as this side does, and that there was
  /// something: a source that is named is at least one entry.
  ///
  /// - Throws: `FileError` (`protocolError`).
  func check(against counts: TreeCounts, of source: String) throws(FileError) {
    guard let tree else {
      throw FileError(
        .protocolError, "the server does not say what became of '\(source)'", path: source)
    }
    guard tree == counts else {
      throw FileError(
        .protocolError,
        "the server counts other entries of '\(source)' than this side: \(tree.files) and "
          + "\(counts.files) files stored, \(tree.skipped) and \(counts.skipped) entries skipped, "
          + "\(tree.failed) and \(counts.failed) failed", path: source)
    }
    guard counts != TreeCounts() else {
      throw FileError(.protocolError, "nothing was sent of '\(source)'", path: source)
    }
    // A failure that is not among the counts.
    guard !result.isFailure || counts.failed > 0 else { throw FileError(self) }
  }
}
