internal import DequeModule
internal import TelpherFileStore
internal import TelpherWire

/// The state of a `TreeSender`: the announced entries, the receiver's answers, and what has become
/// of each entry. A value without I/O: it takes announcements and records, and returns what to do.
struct SenderState {
  /// How far the transfer has come.
  enum Phase: Equatable {
    /// Entries are being announced, and wanted files sent. Next: `announced`.
    case announcing
    /// All entries are announced. Wanted files are still sent, and entries settled. Next: `settled`.
    case announced
    /// The receiver has settled all entries and sent these counts. This is the last phase.
    case settled(TreeCounts)
  }

  /// What the sender does next.
  enum Step {
    /// Announce the next entry.
    case announce
    /// Send this file, which the receiver wants. It has the beginning `prefix` already.
    case send(Int, SourcePath, FileStatus, prefix: FilePrefix?)
    /// Nothing: the receiver does not want this file.
    case pass(FileStatus)
    /// Report that the folder of this number has no more entries.
    case leave(Int)
    /// Send what is collected, and wait for the receiver's answers.
    case awaitAnswers
    /// End both channels: everything is sent.
    case finish
  }

  /// The entries that a record settles, for the reports.
  enum Settlement {
    /// The entries from number `first` on are stored.
    case stored(first: Int, [TransferLedger.Entry])
    /// The entries from number `first` on stay as they are.
    case skipped(first: Int, [TransferLedger.Entry], SkipReason)
    /// The entry of this number failed with a message. With `isKnown`, this side has reported the
    /// failure before.
    case failed(Int, TransferLedger.Entry, String, path: PathText?, isKnown: Bool)
  }

  /// An announced file that is not yet sent or skipped, or the end of a folder.
  private enum Item {
    case file(Int, SourcePath, FileStatus)
    case leave(Int)
  }

  /// The receiver's answer to these entries.
  private struct Answer {
    var numbers: Range<Int>
    var isWanted: Bool
    /// The beginning of the file that the receiver has already.
    var prefix: FilePrefix?
  }

  /// The maximum number of items that are announced and not yet sent or skipped. It is large enough
  /// to keep a distant receiver busy, and limits the memory at both ends.
  static let maxAhead = 4_096
  /// The maximum total length of the paths of files that are announced and not settled, in bytes.
  /// The receiver holds these paths. It is well above the paths of one group, which the receiver
  /// settles together.
  private static let maxOpenFileBytes = 1 << 20
  /// The maximum number of answers that wait for their files: one for each file, and many for
  /// entries that need none.
  private static let maxAnswers = 16 * maxAhead
  /// The maximum number of announced entries that are not settled. The receiver settles them in
  /// much smaller groups.
  private static let maxOpen = 65_536
  /// The maximum number of characters in a digest: twice that of the longest algorithm.
  private static let maxDigest = 128

  /// How many files are announced ahead before one is sent unasked, so that records announce many at a
  /// time.
  private static let unaskedAhead = 1_024

  /// Whether files are sent before the receiver has asked for them.
  private let sendsUnasked: Bool
  private(set) var phase = Phase.announcing
  private var ledger = TransferLedger()
  /// The numbers of the folders that the walk is in.
  private var openFolders: [Int] = []
  private var items: Deque<Item> = []
  private var answers: Deque<Answer> = []
  /// The number after the last answered entry.
  private var nextAnswer = 0
  /// Files that this side could not send and that the receiver has not settled.
  private var unsendable: Set<Int> = []

  /// The state before the first entry.
  init(sendsUnasked: Bool = false) { self.sendsUnasked = sendsUnasked }

  /// The number of the next entry.
  var nextNumber: Int { ledger.nextNumber }
  /// The counts of entries by outcome.
  var counts: TreeCounts { ledger.counts }

  /// Whether the entry with this number is announced and not settled.
  func isOpen(_ number: Int) -> Bool { ledger.isOpen(number) }

  // MARK: Announcing

  /// The next entry is a file. `digest` is its digest if files are compared by digest.
  mutating func announceFile(_ file: SourcePath, _ status: FileStatus, digest: String?) {
    items.append(.file(ledger.announce(.file, file.path, digest: digest), file, status))
  }

  /// The next entry is a folder; its contents follow, then `leaveFolder`.
  mutating func announceFolder(_ path: RelativePath) {
    openFolders.append(ledger.announce(.folder, path))
  }

  /// The next entry is a link.
  mutating func announceLink(_ path: RelativePath) { _ = ledger.announce(.link, path) }

  /// The folder that was entered last has no more entries.
  mutating func leaveFolder() {
    guard let number = openFolders.popLast() else {
      preconditionFailure("the walker leaves the folders that it entered")
    }
    items.append(.leave(number))
  }

  /// All entries are announced.
  ///
  /// - Returns: their counts.
  mutating func announcedAll() -> TreeAnnouncement {
    phase = .announced
    return ledger.announced
  }

  /// Something could not be announced.
  mutating func addUnsent() { ledger.addUnsent() }

  // MARK: Sending

  /// What to do next. A step other than `announce`, `awaitAnswers` and `finish` is returned once.
  ///
  /// - Throws: `FileError` if the receiver did not answer in order.
  mutating func next() throws(FileError) -> Step {
    switch items.first {
    case .leave(let number):
      items.removeFirst()
      return .leave(number)
    case .file(let number, let file, let status):
      if let answer = try answer(for: number) {
        items.removeFirst()
        return answer.isWanted ? .send(number, file, status, prefix: answer.prefix) : .pass(status)
      }
      if sendsUnasked, !mayAnnounce(ahead: Self.unaskedAhead) {
        items.removeFirst()
        return .send(number, file, status, prefix: nil)
      }
    case nil:
      if phase != .announcing { return .finish }
    }
    return mayAnnounce(ahead: Self.maxAhead) ? .announce : .awaitAnswers
  }

  private func mayAnnounce(ahead: Int) -> Bool {
    phase == .announcing && items.count < ahead && ledger.openCount < Self.maxOpen
      && ledger.openFileBytes < Self.maxOpenFileBytes
  }

  /// The answer to the file `number`; nil if it has not arrived.
  private mutating func answer(for number: Int) throws(FileError) -> Answer? {
    while let answer = answers.first {
      guard number < answer.numbers.upperBound else {
        answers.removeFirst()
        continue
      }
      // This answer is for a later entry, so the one for this file is missing.
      guard answer.numbers.lowerBound <= number else {
        throw FileError(.protocolError, "the receiver did not answer in order")
      }
      return answer
    }
    return nil
  }

  /// A file was completely sent.
  mutating func didSend(
    _ number: Int, bytes: Int64, digest: String, size: Int64, change: FileChange?
  ) {
    ledger.didMove(number, bytes: bytes, digest: digest, size: size, change: change)
  }

  /// A file could not be sent.
  ///
  /// - Returns: whether the entry was still open, so that the failure must be reported.
  mutating func didFailToSend(_ number: Int) -> Bool {
    guard ledger.isOpen(number) else { return false }
    unsendable.insert(number)
    return true
  }

  // MARK: Answers

  /// Handles a record of the receiver.
  ///
  /// - Returns: the entries that it settles; nil if it settles none.
  /// - Throws: `FileError` if it does not fit what was announced and sent.
  mutating func receive(_ record: TreeRecord) throws(FileError) -> Settlement? {
    switch record {
    case .file(let part):
      guard case .failed(let message, let path) = part.end else { return nil }
      return try receiveFailure(part.number, message, path)
    case .stored(let run):
      var entries: [TransferLedger.Entry] = []
      for number in try numbers(of: run) { entries.append(try settle(number, .stored)) }
      return .stored(first: run.first, entries)
    case .skip(let run, let reason):
      let numbers = try numbers(of: run)
      var entries: [TransferLedger.Entry] = []
      for number in numbers { entries.append(try settle(number, .skipped(reason))) }
      try add(Answer(numbers: numbers, isWanted: false))
      return .skipped(first: run.first, entries, reason)
    case .want(let run, let prefix):
      guard prefix?.digest.utf8.count ?? 0 <= Self.maxDigest else {
        throw FileError(.protocolError, "a digest has more than \(Self.maxDigest) characters")
      }
      try add(Answer(numbers: try numbers(of: run), isWanted: true, prefix: prefix))
      return nil
    case .settled(let counts):
      guard phase != .announcing else {
        throw FileError(
          .protocolError, "the receiver sent its counts before all entries were announced")
      }
      phase = .settled(counts)
      return nil
    // Only a sender sends these.
    case .entry, .files, .whole, .leave, .complete, .unknown: return nil
    }
  }

  /// The numbers of the entries that an answer is about.
  private func numbers(of run: EntryRun) throws(FileError) -> Range<Int> {
    let (end, overflow) = run.first.addingReportingOverflow(run.count)
    guard run.first >= 0, end > run.first, !overflow, end <= ledger.nextNumber else {
      throw FileError(.protocolError, "the receiver answered for an unknown or settled entry")
    }
    return run.first..<end
  }

  private mutating func add(_ answer: Answer) throws(FileError) {
    guard answers.count < Self.maxAnswers else {
      throw FileError(
        .tooLarge, "the receiver sent more than \(Self.maxAnswers) answers ahead of the files")
    }
    nextAnswer = answer.numbers.upperBound
    answers.append(answer)
  }

  /// Settles an entry as stored or skipped.
  private mutating func settle(
    _ number: Int, _ outcome: TransferLedger.Outcome
  ) throws(FileError) -> TransferLedger.Entry {
    guard let entry = ledger[number] else {
      throw FileError(.protocolError, "the receiver settled entry \(number), which is not open")
    }
    if case .stored = outcome, entry.kind == .file, entry.digest == nil {
      throw FileError(
        .protocolError, "the receiver stored '\(entry.path)' before all of it was sent")
    }
    return ledger.settle(number, outcome)
  }

  /// Settles an entry as failed. If it has no answer yet, this is it.
  private mutating func receiveFailure(
    _ number: Int, _ message: String, _ path: PathText?
  ) throws(FileError) -> Settlement {
    guard ledger.isOpen(number) else {
      throw FileError(.protocolError, "the receiver answered for an unknown or settled entry")
    }
    let isKnown = unsendable.remove(number) != nil
    let entry = ledger.settleFailure(number).entry
    if entry.kind == .file, number >= nextAnswer {
      try add(Answer(numbers: number..<(number + 1), isWanted: false))
    }
    return .failed(number, entry, message, path: path, isKnown: isKnown)
  }

  /// Checks at the end of the receiver's records that it has settled every entry, and that both
  /// sides have the same counts.
  ///
  /// - Throws: `FileError` (`protocolError`) if not.
  func checkSettled() throws(FileError) {
    let total = ledger.announced.entries.total
    guard ledger.openCount == 0 else {
      throw FileError(
        .protocolError,
        "the receiver settled \(total - ledger.openCount) of the \(total) entries that were sent")
    }
    guard case .settled(let counts) = phase else {
      throw FileError(
        .protocolError, "the receiver did not send its counts of the \(total) entries")
    }
    guard counts == ledger.counts else {
      throw FileError(
        .protocolError, "the receiver's counts of the \(total) entries differ from its answers")
    }
  }
}
