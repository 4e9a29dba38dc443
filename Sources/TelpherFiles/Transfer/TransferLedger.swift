internal import TelpherWire

/// The account of a transfer's entries, at either end of it. An entry is opened when it is announced,
/// and settled once: as stored, skipped or failed. Nothing leaves it in another way, so the counts of a
/// ledger without open entries are those of all that was announced.
struct TransferLedger {
  /// What an entry is.
  enum Kind {
    case file, folder, link
  }

  /// What becomes of an entry.
  enum Outcome {
    /// It is in its place.
    case stored
    /// What is there stays.
    case skipped(SkipReason)
    /// It could not be sent or stored.
    case failed
  }

  /// An entry that is not settled.
  struct Entry {
    let kind: Kind
    /// Where it is, at the end that keeps the ledger.
    let path: RelativePath
    /// Of a file that is compared by its digest: that of the source.
    let announcedDigest: String?
    /// Of a file, once all of it was sent or received: its digest.
    var digest: String?
    /// Of such a file: how long it is.
    var size: Int64 = 0
    /// Of such a file: the bytes of it that went over the connection.
    var bytes: Int64 = 0
    /// Of such a file: how it changed while it was read.
    var change: TreeRecord.Change?
  }

  /// The proof that a failure is in the ledger. Only settling an entry as failed makes one, so what
  /// demands it cannot hide a failure.
  struct FailureReceipt {
    fileprivate init() {}
  }

  /// What was announced.
  private(set) var announced = TreeAnnouncement()
  /// What became of the settled entries, and the things that were never announced.
  private(set) var counts = TreeCounts()
  private var open: [Int: Entry] = [:]
  /// The bytes of the paths of open files.
  private(set) var openFileBytes = 0

  /// The number that the next entry gets.
  var nextNumber: Int { announced.entries.total }
  /// How many entries are open.
  var openCount: Int { open.count }

  /// Opens the next entry and returns its number.
  mutating func announce(_ kind: Kind, _ path: RelativePath, digest: String? = nil) -> Int {
    let number = nextNumber
    announced.entries[kind] += 1
    open[number] = Entry(kind: kind, path: path, announcedDigest: digest)
    if kind == .file { openFileBytes += path.bytes.count }
    return number
  }

  /// Counts something that could not be announced: it has failed.
  mutating func addUnsent() {
    announced.unsent += 1
    counts.unsent += 1
  }

  /// The open entry of this number; nil if there is none.
  subscript(number: Int) -> Entry? { open[number] }

  /// Whether there is an open entry of this number.
  func isOpen(_ number: Int) -> Bool { open[number] != nil }

  /// All of a file has been sent or received.
  mutating func didMove(
    _ number: Int, bytes: Int64, digest: String, size: Int64, change: TreeRecord.Change?
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
      preconditionFailure("the caller has looked whether it is open; it is settled once")
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
  /// - Returns: the entry, and the proof that this was done.
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
