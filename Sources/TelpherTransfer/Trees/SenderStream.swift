internal import TelpherTransport
internal import TelpherFileStore
internal import TelpherWire

/// The stream of a `TreeSender`: it writes records and bytes, and handles the receiver's answers
/// whenever it waits, since the receiver may be blocked until they are read.
struct SenderStream {
  /// Receives the number of a settled file, the file and its outcome.
  typealias Report = (Int, TransferLedger.Entry, FileReport.Outcome) -> Void

  /// What was announced and answered.
  var state: SenderState
  private let port: TransferPort
  private let report: Report?
  private var output: RecordWriter
  private var reader = RecordReader()
  private var failures: FailureList

  /// A sender's stream on `port`. `report` is nil for no reports.
  init(port: TransferPort, failures: FailureList, sendsUnasked: Bool, report: Report?) {
    self.port = port
    state = SenderState(sendsUnasked: sendsUnasked)
    self.failures = failures
    self.report = report
    output = RecordWriter(port: port)
  }

  /// The first entries that could not be sent or stored.
  var keptFailures: [TransferFailure] { failures.kept }

  // MARK: Writing

  /// Writes a record.
  mutating func write(_ record: TreeRecord) { output.write(record) }

  /// Announces the file `name` in `folder`, in a record with others.
  mutating func announce(_ name: String, in folder: [UInt8], _ status: FileStatus) {
    output.announce(name, in: folder, status)
  }

  /// Appends the bytes of a small file: see `RecordWriter.append`.
  mutating func append(
    upTo most: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(FileError) -> Int
  ) throws(FileError) -> Int { try output.append(upTo: most, fill) }

  /// Reports that the file `number`, whose bytes were appended, is complete and as announced.
  mutating func completeFile(_ number: Int, digest: String) {
    output.completeFile(number, digest: digest)
  }

  /// Sends the collected records and then `bytes`, which they announce, and waits for room.
  mutating func send(_ bytes: Chunk) throws(FileError) {
    output.flush()
    port.enqueue(bytes, on: .file)
    try waitForRoom()
  }

  /// Reports to the receiver that an entry can't be sent. `number` is nil if it was not announced.
  /// `sent` bytes of it are already queued, and the record announces them.
  mutating func fail(
    _ number: Int?, _ path: RelativePath, as wirePath: [UInt8], _ error: FileError,
    sent: Int64? = nil
  ) {
    if let number {
      // If the receiver reported a failure of this entry, it is already noted.
      if state.didFailToSend(number) { failures.add("\(path)", error.message) }
    } else {
      state.addUnsent()
      failures.add("\(path)", error.message)
    }
    let end = FilePart.End.failed(error.message, path: PathText(wirePath))
    write(.file(FilePart(number ?? -1, data: sent, end: end)))
  }

  // MARK: Waiting and answers

  /// Waits until more data may be queued.
  mutating func waitForRoom() throws(FileError) {
    while try !port.waitForRoom(orPieceOf: .index) { try receiveAnswers() }
  }

  /// Handles the answers that have arrived.
  mutating func receiveAnswers() throws(FileError) {
    while let chunk = try port.poll(.index) { try receive(chunk) }
  }

  /// Sends the collected records and bytes, and waits for at least one chunk of answers.
  mutating func awaitAnswers() throws(FileError) {
    output.flush()
    guard let chunk = try port.receive(.index) else {
      throw FileError(.protocolError, "the receiver ended before it answered all entries")
    }
    try receive(chunk)
    try receiveAnswers()
  }

  /// Ends both channels, and waits until the receiver has settled all entries.
  mutating func finish() throws(FileError) {
    output.flush()
    port.finish(.index)
    port.finish(.file)
    // The receiver ends its records after all entries are settled.
    while let chunk = try port.receive(.index) { try receive(chunk) }
    try state.checkSettled()
  }

  private mutating func receive(_ chunk: Chunk) throws(FileError) {
    for record in try reader.read(chunk) {
      switch try state.receive(record) {
      case .stored(let first, let entries): reportFiles(first, entries, .stored)
      case .skipped(let first, let entries, let reason):
        reportFiles(first, entries, .skipped(reason))
      case .failed(let number, let entry, let message, let path, let isKnown):
        if !isKnown {
          let shown = path.map { String(decoding: $0.bytes, as: UTF8.self) }
          failures.add(shown ?? "\(entry.path)", message)
        }
        reportFiles(number, [entry], .failed(message))
      case nil: break
      }
    }
  }

  private func reportFiles(
    _ first: Int, _ entries: [TransferLedger.Entry], _ outcome: FileReport.Outcome
  ) {
    guard let report else { return }
    for (offset, entry) in entries.enumerated() where entry.kind == .file {
      report(first + offset, entry, outcome)
    }
  }
}
