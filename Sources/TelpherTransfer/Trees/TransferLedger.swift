internal import TelpherFileStore
internal import TelpherWire

/// Keeps account of a transfer's entries, at either end. An entry is opened when it is announced,
/// and settled exactly once: as stored, skipped or failed. So when no entry is open, the counts
/// cover all announced entries.
struct TransferLedger {
  /// The kind of an entry.
  enum Kind {
    case file, folder, link
  }

  /// The outcome of an entry.
  enum Outcome {
    /// The entry is stored.
    case stored
    /// The existing entry is kept.
    case skipped(SkipReason)
    /// The entry could not be sent or stored.
    case failed
  }

  /// An entry that is not settled.
  struct Entry {
    let kind: Kind
    /// The path at the end that keeps the ledger.
    let path: RelativePath
    /// The digest of the source, for a file that is compared by digest.
    let announcedDigest: String?
    /// The digest of a file that was completely sent or received.
    var digest: String?
    /// The length of such a file, in bytes.
    var size: Int64 = 0
    /// The bytes of such a file that went over the connection.
    var bytes: Int64 = 0
    /// How such a file changed while it was read.
    var change: FileChange?
  }

  /// Proves that a failure is in the ledger. Only `settleFailure` creates one. Code that requires a
  /// receipt can't forget to record the failure.
  struct FailureReceipt {
    fileprivate init() {}
  }

  /// The counts of announced entries.
  private(set) var announced = TreeAnnouncement()
  /// The counts of settled entries, and of entries that could not be announced.
  private(set) var counts = TreeCounts()
  private var open: [Int: Entry] = [:]
  /// The total length of the paths of open files, in bytes.
  private(set) var openFileBytes = 0

  /// The number of the next entry.
  var nextNumber: Int { announced.entries.total }
  /// The number of open entries.
  var openCount: Int { open.count }

  /// Opens the next entry and returns its number.
  mutating func announce(_ kind: Kind, _ path: RelativePath, digest: String? = nil) -> Int {
    let number = nextNumber
    announced.entries[kind] += 1
    open[number] = Entry(kind: kind, path: path, announcedDigest: digest)
    if kind == .file { openFileBytes += path.bytes.count }
    return number
  }

  /// Counts an entry that could not be announced, as failed.
  mutating func addUnsent() {
    announced.unsent += 1
    counts.unsent += 1
  }

  /// The open entry with this number; nil if there is none.
  subscript(number: Int) -> Entry? { open[number] }

  /// Whether the entry with this number is open.
  func isOpen(_ number: Int) -> Bool { open[number] != nil }

  /// Records that a file was completely sent or received.
  mutating func didMove(
    _ number: Int, bytes: Int64, digest: String, size: Int64, change: FileChange?
  ) {
    guard var entry = open[number] else { return }
    (entry.bytes, entry.digest, entry.size, entry.change) = (bytes, digest, size, change)
    open[number] = entry
  }

  /// Settles an open entry as stored or skipped.
  ///
  /// - Returns: the entry.
  @discardableResult
  mutating func settle(_ number: Int, _ outcome: Outcome) -> Entry {
    guard let entry = open.removeValue(forKey: number) else {
      preconditionFailure("the caller checks that the entry is open")
    }
    if entry.kind == .file { openFileBytes -= entry.path.bytes.count }
    switch outcome {
    case .stored:
      counts.storedEntries[entry.kind] += 1
      counts.bytes += entry.bytes
      if entry.change != nil { counts.changed += 1 }
    case .skipped: counts.skippedEntries[entry.kind] += 1
    case .failed: counts.failedEntries[entry.kind] += 1
    }
    return entry
  }

  /// Settles an open entry as failed.
  ///
  /// - Returns: the entry, and a receipt for the failure.
  mutating func settleFailure(_ number: Int) -> (entry: Entry, receipt: FailureReceipt) {
    (settle(number, .failed), FailureReceipt())
  }
}

extension EntryCounts {
  /// The count of a kind.
  fileprivate subscript(kind: TransferLedger.Kind) -> Int {
    get {
      switch kind {
      case .file: files
      case .folder: folders
      case .link: links
      }
    }
    set {
      switch kind {
      case .file: files = newValue
      case .folder: folders = newValue
      case .link: links = newValue
      }
    }
  }
}
