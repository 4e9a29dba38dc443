package import TelpherFileStore
internal import TelpherTransport
package import TelpherWire

/// Receives and stores a tree from a `TreeSender`: it answers announced entries, receives files,
/// verifies them, and commits them in groups (docs/PROTOCOL.md, "Trees"). The server and the client
/// both use it. Its methods block, so it runs on a worker's thread.
///
/// It writes nothing outside `base`. It opens `base` once, and everything below through paths in
/// which no symlink is followed. This holds for existing symlinks, for those from the sender, and
/// for those that another process puts there meanwhile. The only exception is a named file with
/// `TransferOptions.followsLinks`.
package struct TreeReceiver {
  /// A file that was answered with `want`.
  struct Wanted {
    var path: RelativePath
    var entry: FileEntry
    /// Whether the name was free.
    var isNew: Bool
  }

  /// A folder that the sender has entered and not yet left.
  enum OpenFolder {
    /// The folder exists.
    case made(FolderAttributes)
    /// The folder could not be made, and the ledger has the failure.
    case failed(TransferLedger.FailureReceipt)
  }

  /// The attributes to set on a folder after its contents are stored.
  struct FolderAttributes {
    var path: RelativePath
    var mode: UInt32?
    var modifiedNS: Int128?
    /// Whether this transfer made it.
    var isNew: Bool
  }

  let port: TransferPort
  let base: Folder
  let naming: Naming?
  let expected: ExpectedNames
  let acceptsOnlyFiles: Bool
  /// The requested names that have arrived.
  private var arrived: Set<[UInt8]> = []
  let options: TransferOptions
  let meter: TransferMeter?
  let onFile: FileReportHandler?
  let record: WriteRecorder?
  var reader = RecordReader()
  var answers: AnswerWriter
  var group: CommitGroup
  /// The account of all entries.
  var ledger = TransferLedger()
  let announced: AnnouncedShare
  var wanted: [Int: Wanted] = [:]
  /// Files that can't be stored and that the sender may send unasked: their bytes are dropped.
  var refused: [Int: (file: Wanted, receipt: TransferLedger.FailureReceipt)] = [:]
  var folders: [Int: OpenFolder] = [:]
  var incoming: IncomingFile?
  /// The folder that was used last, and whether this transfer has made it.
  var folder: (folder: Folder, isNew: Bool)?
  /// The folders that this transfer made and has not left. They are not searched for existing
  /// entries. If another process puts one there, the rename of the file detects it.
  var newFolders: Set<RelativePath> = []
  /// Hashes of the paths of folders from which stale partial files were removed.
  var cleaned: Set<Int> = []
  /// For wanted files whose name is a symlink: the file that the link leads to, which is replaced.
  var linkedFiles: [RelativePath: (folder: Folder, name: [UInt8])] = [:]
  /// The sender's own counts of the entries that it announced; nil until it has announced all.
  private var announcement: TreeAnnouncement?
  /// The counts of entries by outcome.
  package var counts: TreeCounts { ledger.counts }
  var failureList: FailureList
  /// The first entries that could not be sent or stored. `counts` has the total number.
  package var failures: [TransferFailure] { failureList.kept }

  /// The maximum number of wanted files: twice what `TreeSender` announces ahead. It limits the
  /// memory that a sender can use here.
  static let maxWanted = 8_192
  /// The maximum number of open folders: the depth of a tree, and those that are announced ahead.
  static let maxFolders = 16_384

  /// A receiver that stores below the folder `base` of `root`.
  ///
  /// - Parameters:
  ///   - expected: the names that this side requested; entries must have them or be below them.
  ///   - acceptsOnlyFiles: whether files with the expected names were requested, and no folders or
  ///     links.
  ///   - naming: the name that the only file gets.
  ///   - options: the options of the transfer.
  ///   - meter: counts the progress.
  ///   - onFile: receives the report of each file.
  ///   - announced: the announced bytes of the peer's connection, over all its streams.
  ///   - record: records each path before it is written.
  /// - Throws: `FileError` if `base` can't be opened as a folder.
  package init(
    port: TransferPort, root: Root, base: RelativePath, expecting expected: ExpectedNames = .any,
    acceptsOnlyFiles: Bool = false, naming: Naming? = nil, options: TransferOptions,
    meter: TransferMeter? = nil,
    onFile: FileReportHandler? = nil, announced: AnnouncedBytes = AnnouncedBytes(),
    record: WriteRecorder? = nil
  ) throws(FileError) {
    self.announced = AnnouncedShare(of: announced)
    self.expected = expected
    failureList = FailureList(sources: expected.count)
    self.acceptsOnlyFiles = acceptsOnlyFiles
    self.naming = naming
    self.onFile = onFile
    self.record = record
    self.port = port
    self.base = try root.folder(base)
    self.options = options
    self.meter = meter
    answers = AnswerWriter(port: port)
    group = CommitGroup(
      base: self.base, syncs: options.sync, replaces: options.existing.mayReplace,
      record: record)
  }

  /// Receives and stores the tree. Failures of single entries are reported to the sender and listed
  /// in `failures`.
  ///
  /// - Throws: `FileError` if the stream is over, the sender violates the protocol, or the names
  ///   can't be made durable. Files that were stored by then are complete.
  package mutating func run() throws(FileError) {
    do throws(FileError) {
      while let chunk = try nextRecords() {
        for record in try reader.read(chunk) {
          try take(record)
          flushFullFrame()
        }
      }
      guard reader.isAtBoundary, incoming == nil, wanted.isEmpty else {
        throw FileError(.protocolError, "the sender ended before all files were complete")
      }
      finishGroup()
      try group.syncNames()
      try checkLedger()
      answers.end(ledger.counts)
      answers.flush()
      port.finish(.index)
      port.finish(.file)
    } catch {
      incoming?.abandon(error, options)
      incoming = nil
      // Commit the complete, verified files, so that the sender need not send them again.
      settle(group.commit())
      throw error
    }
  }

  /// Checks that all entries that the sender announced have arrived and are settled, and that it
  /// sent or reported each requested name. A sender may omit names, for example if it does not know
  /// `sources` in a request.
  private func checkLedger() throws(FileError) {
    guard announcement == ledger.announced else {
      throw FileError(
        .protocolError,
        "\(ledger.announced.entries.total) entries arrived, which is not what the sender counted")
    }
    guard ledger.openCount == 0 else {
      throw FileError(.protocolError, "the sender left \(ledger.openCount) entries unfinished")
    }
    // `unsent` may exceed the number of missing names; that is fine, since the transfer then
    // reports failures anyway.
    if case .these(let names) = expected, arrived.count + ledger.announced.unsent < names.count {
      throw FileError(
        .protocolError,
        "the sender sent \(arrived.count) of the \(names.count) requested sources, and reported no failure of the others"
      )
    }
  }

  /// Returns the next bytes of records; nil at their end. Flushes pending answers before waiting.
  mutating func nextRecords() throws(FileError) -> Chunk? {
    if let chunk = try port.poll(.index) { return chunk }
    answers.flush()
    port.waitForRoomOrEnd()
    return try port.receive(.index)
  }

  /// If the pending answers fill a frame, sends them and waits for room.
  mutating func flushFullFrame() {
    guard answers.isFrameFull else { return }
    answers.flush()
    port.waitForRoomOrEnd()
  }

  // MARK: Records

  mutating func take(_ record: TreeRecord) throws(FileError) {
    switch record {
    case .entry(let entry): try announce(entry, at: place(of: entry.path))
    case .files(let files): try announce(files)
    case .file(let part):
      if part.number < 0 { takeUnsent(part) } else { try takeFile(part) }
    case .whole(let first, let digests): try takeWhole(first, digests)
    case .leave(let number): try leaveFolder(number)
    case .complete(let counts):
      announcement = counts
      meter?.update { $0.isTotalKnown = true }
    // Only a receiver sends these.
    case .want, .skip, .stored, .settled, .unknown: break
    }
  }

  /// Handles the announcement of several files in one folder.
  mutating func announce(_ files: FileBatch) throws(FileError) {
    // Files of the base itself are checked by their own names.
    let isBase = files.folder.bytes.isEmpty
    let folder = isBase ? base.path : try place(of: files.folder)
    for (index, name) in files.names.enumerated() {
      if isBase { try checkRequested(name.utf8) }
      let entry = FileEntry(
        path: files.folder, kind: .file, size: files.sizes[index], mode: files.mode,
        mtimeNS: files.mtimesNS[index])
      try announce(entry, at: folder.appending(Array(name.utf8)))
      flushFullFrame()
    }
  }

  mutating func announce(_ entry: FileEntry, at announced: RelativePath) throws(FileError) {
    let path = try place(named: announced)
    guard entry.kind == .directory || path != base.path else {
      throw FileError(.protocolError, "an announced file or link has no name")
    }
    try self.announced.add(path)
    if acceptsOnlyFiles, entry.kind != .file || !path.isDirectly(in: base.path) {
      throw FileError(
        .protocolError, "a file was requested, but the sender sent '\(path)' (\(entry.kind))")
    }
    if case .these = expected, path.isDirectly(in: base.path), !arrived.insert(path.name).inserted {
      throw FileError(.protocolError, "the sender sent '\(path)' twice")
    }
    switch entry.kind {
    case .file:
      let number = ledger.announce(.file, path, digest: entry.digest)
      meter?.update { $0.announce(max(0, entry.size ?? 0)) }
      let failure = storing(number, path) { (receiver) throws(FileError) in
        try receiver.wants(number, path, entry)
      }
      if let failure, options.sendsUnasked {
        try refuse(number, Wanted(path: path, entry: entry, isNew: false), failure)
      }
    case .directory:
      guard folders.count < Self.maxFolders else {
        throw FileError(.tooLarge, "more than \(Self.maxFolders) folders are open at once")
      }
      let number = ledger.announce(.folder, path)
      let failure = storing(number, path) { (receiver) throws(FileError) in
        let isNew = try receiver.makeFolder(path)
        if isNew { receiver.newFolders.insert(path) }
        receiver.folders[number] = .made(
          FolderAttributes(
            path: path, mode: entry.mode, modifiedNS: entry.mtimeNS, isNew: isNew))
      }
      if let failure { folders[number] = .failed(failure) }
    case .symlink:
      let number = ledger.announce(.link, path)
      storing(number, path) { (receiver) throws(FileError) in
        receiver.settle(number, try receiver.makeLink(path, entry))
      }
    case .other:
      throw FileError(.protocolError, "'\(path)' has a kind that can't be transferred")
    }
  }

  /// The path below the root for a path in a record. An empty path means the base itself.
  ///
  /// - Throws: `FileError` (`protocolError`) if this side did not request it.
  func place(of text: PathText) throws(FileError) -> RelativePath {
    let below = try RelativePath(text.bytes)
    try checkRequested(below.bytes.prefix { $0 != RelativePath.slash })
    return try base.path.appending(below)
  }

  /// Checks that this side requested the entry with this name, or one below it.
  private func checkRequested(_ name: some Collection<UInt8>) throws(FileError) {
    guard expected.contains(name) else {
      let name = RelativePath(unchecked: Array(name))
      throw FileError(.protocolError, "the sender sent '\(name)', which was not requested")
    }
  }

  // MARK: Files

  /// Decides whether the sender should send a file, and answers it.
  mutating func wants(_ number: Int, _ path: RelativePath, _ entry: FileEntry)
    throws(FileError)
  {
    // A file without a size is sent until its end.
    let size = entry.size ?? 0
    guard size >= 0 else {
      throw FileError(.protocolError, "'\(path)' has a size of \(size)", path: "\(path)")
    }
    let (folder, name, isNew) = try spot(of: path, isFirst: true)
    // In a new folder no file is expected. If another process adds one, the rename detects it.
    let present = isNew ? nil : try folder.status(of: name)
    if let status = present {
      try status.checkReplaceable(path)
      if options.existing == .fail {
        throw FileError(.exists, "'\(path)' exists already", path: "\(path)")
      }
      if let stays = try stays(folder, name, status, entry) {
        meter?.update { $0.skip(size) }
        return settle(number, .skipped(stays))
      }
    }
    guard wanted.count < Self.maxWanted else {
      throw FileError(.tooLarge, "more than \(Self.maxWanted) files were announced ahead")
    }
    let kept = options.resume && !isNew && entry.size != nil ? try prefix(name, folder) : nil
    wanted[number] = Wanted(path: path, entry: entry, isNew: present == nil)
    guard let (length, digest) = kept, length <= size else {
      return answers.add(.want, for: number)
    }
    answers.want(number, offset: length, prefixDigest: digest)
  }

  /// Remembers that a file has failed whose bytes may come although it was not asked for.
  private mutating func refuse(
    _ number: Int, _ file: Wanted, _ receipt: TransferLedger.FailureReceipt
  ) throws(FileError) {
    guard refused.count < Self.maxWanted else {
      throw FileError(.tooLarge, "more than \(Self.maxWanted) files were announced ahead")
    }
    refused[number] = (file, receipt)
  }

  /// The reason to keep the existing file; nil if it is replaced.
  private func stays(
    _ folder: Folder, _ name: [UInt8], _ status: FileStatus, _ entry: FileEntry
  ) throws(FileError) -> SkipReason? {
    switch options.existing {
    case .skip: return .exists
    case .newer where status.kind == .file && status.modifiedNS >= entry.mtimeNS ?? .max:
      return .notNewer
    case .replace, .newer, .fail:
      guard options.comparesDigests else { return nil }
      fallthrough
    case .changed: return try isUnchanged(folder, name, status, entry) ? .unchanged : nil
    }
  }

  /// Whether the existing file has the size and the time of the new one; with `comparesDigests`,
  /// the size and the digest. If so, sets its mode and time to those of the new file.
  private func isUnchanged(
    _ folder: Folder, _ name: [UInt8], _ status: FileStatus, _ entry: FileEntry
  ) throws(FileError) -> Bool {
    guard status.kind == .file, status.size == entry.size else { return false }
    if options.comparesDigests {
      guard let digest = entry.digest else { return false }
      let file = try folder.openFile(name)
      var hasher = FileHasher(options.digest)
      try hasher.update(file, 0..<file.status.size)
      guard digest == hasher.digest else { return false }
    } else if status.modifiedNS != entry.mtimeNS {
      return false
    }
    let mode = entry.mode.map { $0 & FileMode.keptOfFiles }
    if status.modifiedNS != entry.mtimeNS || (mode != nil && mode != status.mode) {
      try folder.setAttributes(of: name, mode: mode, modifiedNS: entry.mtimeNS)
    }
    return true
  }

  /// The length and the digest of the partial file that an earlier transfer left; nil if there is
  /// none.
  mutating func prefix(_ name: [UInt8], _ folder: Folder) throws(FileError)
    -> (Int64, String)?
  {
    let partial = try Partial.open(for: name, in: folder, keeping: true, waits: true)
    guard partial.kept > 0 else {
      partial.discard()
      return nil
    }
    var hasher = FileHasher(options.digest)
    try hasher.update(partial, length: partial.kept)
    return (partial.kept, hasher.digest)
  }

  /// Commits the pending files and settles their entries.
  mutating func finishGroup() { settle(group.commit()) }

  /// Performs `body`. If it fails because no descriptor is left, commits the pending files, which
  /// closes their descriptors, and repeats it.
  mutating func havingDescriptors<Value>(
    _ body: (inout TreeReceiver) throws(FileError) -> Value
  ) throws(FileError) -> Value {
    do throws(FileError) {
      return try body(&self)
    } catch {
      guard error.isOutOfDescriptors, group.holdsFiles else { throw error }
      finishGroup()
      return try body(&self)
    }
  }
}
