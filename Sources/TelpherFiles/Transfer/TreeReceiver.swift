public import TelpherTransport
public import TelpherWire

/// Stores what a `TreeSender` sends: answers what it announces, takes the files in, verifies them and
/// puts them in their place in groups (docs/PROTOCOL.md, "Trees"). Both ends of a connection use it;
/// it runs on a worker's thread.
///
/// Nothing gets outside `base`: its folder is opened once, and what is below it by paths on which no
/// symlink is followed, whether it was there, or is swapped in meanwhile, or came from the sender.
public struct TreeReceiver {
  /// What is to become of a file that was answered with `want`.
  struct Wanted {
    var path: RelativePath
    var entry: FileEntry
    /// Nothing was there of that name.
    var isNew: Bool
  }

  /// A folder that the sender has entered and not left.
  enum OpenFolder {
    /// It is there.
    case made(FolderAttributes)
    /// It could not be made, which is in the ledger.
    case failed(TransferLedger.FailureReceipt)
  }

  /// What is to be set on a folder once all in it is in its place.
  struct FolderAttributes {
    var path: RelativePath
    var mode: UInt32?
    var modifiedNS: Int128?
    /// Whether this transfer made it.
    var isNew: Bool
  }

  let port: TransferPort
  let base: Folder
  let expected: [UInt8]?
  let acceptsOnlyFile: Bool
  let options: TransferOptions
  let meter: TransferMeter?
  let onFile: FileReportHandler?
  var reader = RecordReader()
  var answers: AnswerWriter
  var input: ByteInput
  var group: CommitGroup
  /// What became of each entry.
  var ledger = TransferLedger()
  let announced: AnnouncedShare
  var wanted: [Int: Wanted] = [:]
  var folders: [Int: OpenFolder] = [:]
  var incoming: IncomingFile?
  /// The folder that was used last, and whether this transfer has made it.
  var folder: (folder: Folder, isNew: Bool)?
  /// Folders that this transfer made and did not leave yet. Nothing is looked for in them: what
  /// somebody else puts there is found when a file is to get its name.
  var newFolders: Set<RelativePath> = []
  var cleaned: Set<Int> = []
  /// Files that links lead to in whose place others are being put; at most as many as are wanted.
  var linkedFiles: [RelativePath: (folder: Folder, name: [UInt8])] = [:]
  /// What the sender says that it has announced, once it has announced everything.
  private var announcement: TreeAnnouncement?
  /// What became of the entries.
  public var counts: TreeCounts { ledger.counts }
  var failureList = FailureList()
  /// What could not be sent or stored; the first of it, `counts` knows how much it was.
  public var failures: [TransferFailure] { failureList.kept }

  /// Entries that may wait for the sender: what `TreeSender` announces ahead, and as much again. It
  /// bounds what a sender can have this side keep.
  static let maxWanted = 8_192
  /// Folders that the sender is in at once: the depth of a tree, and what it announces ahead.
  static let maxFolders = 16_384

  /// A receiver that stores below the folder `base` of `root`.
  ///
  /// - Parameters:
  ///   - expected: the one name that entries may have or be below, if this side asked for it; empty for
  ///     any: then a folder's contents were asked for. Nil if the sender chooses.
  ///   - acceptsOnlyFile: whether one file of exactly the expected name was asked for, and no folder or
  ///     link.
  ///   - announced: what the peer has announced over all streams of its connection.
  /// - Throws: `FileError` if `base` is no folder that can be opened.
  public init(
    port: TransferPort, root: Root, base: RelativePath, expecting expected: [UInt8]? = nil,
    acceptsOnlyFile: Bool = false, options: TransferOptions, meter: TransferMeter? = nil,
    onFile: FileReportHandler? = nil, announced: AnnouncedBytes = AnnouncedBytes()
  ) throws(FileError) {
    self.announced = AnnouncedShare(of: announced)
    self.expected = expected
    self.acceptsOnlyFile = acceptsOnlyFile
    self.onFile = onFile
    self.port = port
    self.base = try root.folder(base)
    self.options = options
    self.meter = meter
    answers = AnswerWriter(port: port)
    input = ByteInput(port: port)
    group = CommitGroup(
      base: self.base, syncs: options.sync, replaces: options.existing.mayReplace)
  }

  /// Stores it all.
  ///
  /// - Throws: `FileError` where nothing can be stored, or the stream is over. What was stored by
  ///   then is whole.
  public mutating func run() throws(FileError) {
    do throws(FileError) {
      while let chunk = try nextRecords() {
        for record in try reader.read(chunk) {
          try take(record)
          flushIfMuch()
        }
      }
      guard reader.isAtBoundary, incoming == nil, wanted.isEmpty else {
        throw FileError(.protocolError, "the sender ended in the midst of a file")
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
      // These are whole and verified; the sender would send them again for nothing.
      settle(group.commit())
      throw error
    }
  }

  /// Makes sure that what the sender says that it announced is what arrived, and that all of it is
  /// settled.
  private func checkLedger() throws(FileError) {
    guard announcement == ledger.announced else {
      throw FileError(
        .protocolError,
        "the sender did not announce what it says: \(ledger.announced.entries.total) entries came")
    }
    guard ledger.openCount == 0 else {
      throw FileError(.protocolError, "the sender left \(ledger.openCount) folders open")
    }
  }

  /// The next bytes of records; what was answered goes before it is waited for them.
  mutating func nextRecords() throws(FileError) -> Chunk? {
    if let chunk = try port.poll(.index) { return chunk }
    answers.flush()
    port.waitForRoomOrEnd()
    return try port.receive(.index)
  }

  /// Sends what was answered, and waits for room, where it is much.
  mutating func flushIfMuch() {
    guard answers.isMuch else { return }
    answers.flush()
    port.waitForRoomOrEnd()
  }

  // MARK: Records

  mutating func take(_ record: TreeRecord) throws(FileError) {
    if let entry = record.entry {
      try announce(entry, at: place(of: entry.path))
    } else if let files = record.files {
      try announce(files)
    } else if let number = record.file {
      if number < 0 {
        ledger.addUnsent()
        failureList.add(text(record.path), record.failed ?? "the sender could not send it")
      } else if let digests = record.whole {
        try takeWhole(number, digests)
      } else {
        try takeFile(number, record)
      }
    } else if let number = record.leave {
      try leaveFolder(number)
    } else if let complete = record.complete {
      announcement = complete
      meter?.update { $0.isTotalKnown = true }
    }
  }

  /// Files of one folder.
  mutating func announce(_ files: FileBatch) throws(FileError) {
    let folder = try place(of: files.folder)
    for (index, name) in files.names.enumerated() {
      let entry = FileEntry(
        path: files.folder, kind: .file, size: files.sizes[index], mode: files.mode,
        mtimeNS: files.mtimesNS[index])
      try announce(entry, at: folder.appending(Array(name.utf8)))
      flushIfMuch()
    }
  }

  mutating func announce(_ entry: FileEntry, at path: RelativePath) throws(FileError) {
    guard entry.kind == .directory || path != base.path else {
      throw FileError(.protocolError, "an entry that is no folder has no name")
    }
    try announced.add(path)
    if acceptsOnlyFile,
      entry.kind != .file || ledger.nextNumber > 0 || path.name != expected
        || path.parent != base.path
    {
      throw FileError(
        .protocolError, "one file was asked for, and the sender sends '\(path)' (\(entry.kind))")
    }
    switch entry.kind {
    case .file:
      let number = ledger.announce(.file, path, digest: entry.digest)
      meter?.update { $0.announce(max(0, entry.size ?? 0)) }
      storing(number, path) { (receiver) throws(FileError) in
        try receiver.wants(number, path, entry)
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
      throw FileError(.protocolError, "'\(path)' is of a kind that is not transferred")
    }
  }

  /// Where the root has what a record names; without a name, the base itself.
  func place(of text: PathText) throws(FileError) -> RelativePath {
    let below = try RelativePath(text.bytes)
    if let expected, !expected.isEmpty, below.bytes != expected,
      !below.bytes.starts(with: expected + [UInt8(ascii: "/")])
    {
      throw FileError(.protocolError, "'\(below)' was sent and not asked for")
    }
    return try base.path.appending(below)
  }

  /// The folder that `path` is in, and whether this transfer has made it.
  mutating func parent(of path: RelativePath) throws(FileError) -> (folder: Folder, isNew: Bool) {
    if let folder, path.isDirectly(in: folder.folder.path) { return folder }
    let parent = try base.parent(of: path)
    let isNew = newFolders.contains(parent.path)
    if !isNew, cleaned.count < Self.maxFolders, cleaned.insert(parent.path.hashValue).inserted {
      Partial.removeStale(in: parent, olderThan: Self.staleAfter)
    }
    folder = (parent, isNew)
    return (parent, isNew)
  }

  /// The folder and the name that the file `path` gets: those of the file that a link at `path` leads
  /// to, if `options` say so; and whether this transfer has made the folder.
  mutating func spot(
    of path: RelativePath, _ number: Int? = nil
  ) throws(FileError) -> (folder: Folder, name: [UInt8], isNew: Bool) {
    if let linked = linkedFiles[path] { return (linked.folder, linked.name, false) }
    let (folder, isNew) = try parent(of: path)
    // Where this side asked for it, only the first entry is what it named: a sender must not make a
    // link, and then have a file stored through it.
    guard let number, options.followsLinks, expected == nil || number == 0, !isNew,
      path.parent == base.path
    else { return (folder, path.name, isNew) }
    guard try folder.status(of: path.name)?.kind == .link else { return (folder, path.name, false) }
    let linked = try folder.root.fileLinked(at: path)
    linkedFiles[path] = linked
    return (linked.folder, linked.name, false)
  }

  /// Partials that nobody works on and that are older than this, in seconds, are removed from folders
  /// that a tree goes to: a day, for who wants to go on with one.
  static let staleAfter: Int64 = 24 * 3_600

  // MARK: Files

  /// Decides whether a file is to come, and answers that.
  mutating func wants(_ number: Int, _ path: RelativePath, _ entry: FileEntry)
    throws(FileError)
  {
    // Without a size only the end of the file tells how long it is.
    let size = entry.size ?? 0
    guard size >= 0 else {
      throw FileError(.protocolError, "'\(path)' has a size of \(size)", path: "\(path)")
    }
    let (folder, name, isNew) = try spot(of: path, number)
    // Who puts something into a folder that has just been made is noticed when the file gets its name.
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

  /// Why the file that is there stays; nil if it does not.
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

  /// Whether size and time are those of the new file, or the digest is. Then mode and time become so.
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

  /// What an earlier transfer left of a file.
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

  /// Puts what is whole in its place.
  mutating func finishGroup() { settle(group.commit()) }

  /// Does `body`, again if it has no descriptor and there are some that can be let go of.
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
