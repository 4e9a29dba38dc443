internal import TelpherFileStore
internal import TelpherWire

extension TreeSender {
  /// Announces the next entry.
  mutating func announceNext() throws(FileError) {
    guard walker != nil else { return try announceSource() }
    guard let step = walker?.next() else {
      // The walker does not report the end of the source itself.
      if let number = openFolders.popLast() { items.append(.leave(number)) }
      return try endSource()
    }
    switch step {
    case .entry(let path, let status, let link): try announce(path, status, link)
    case .leave:
      guard let number = openFolders.popLast() else {
        preconditionFailure("the walker leaves the folders that it entered")
      }
      items.append(.leave(number))
    case .failed(let path, let error): try fail(nil, path, error)
    }
  }

  /// Announces the next source. If it is a symlink, it is followed.
  private mutating func announceSource() throws(FileError) {
    firstEntries.append(ledger.nextNumber)
    let source = sources[announcing]
    do throws(FileError) {
      let (status, link) = try status(of: source)
      try source.check(status.kind)
      if status.kind == .folder {
        let root = try roots.root(of: source)
        try announce(source.path, status, link)
        walker = TreeWalker(root: root, start: source.path)
        return
      }
      try announce(source.path, status, link)
    } catch {
      if sources.count == 1 || error.code == .canceled || error.code == .lost { throw error }
      try fail(nil, source.path, error)
    }
    try endSource()
  }

  private mutating func status(
    of source: TreeSource
  ) throws(FileError) -> (FileStatus, linkTarget: [UInt8]?) {
    if let status = source.status { return (status, nil) }
    let root = try roots.root(of: source)
    let found = try root.status(source.path, followsLink: false)
    guard found.0.kind == .link else { return found }
    do throws(FileError) {
      return try root.status(source.path, followsLink: true)
    } catch {
      // A link with a missing target, or one outside the root, is sent as a link of a tree.
      guard source.mayBeFolder, !source.mustBeFolder,
        error.code == .notFound || error.code == .badPath
      else { throw error }
      return found
    }
  }

  /// Ends the announcement of a source; after the last one, that of everything.
  private mutating func endSource() throws(FileError) {
    walker = nil
    guard firstEntries.count == sources.count else { return }
    isComplete = true
    meter?.update { $0.isTotalKnown = true }
    output.write(.complete(ledger.announced))
  }

  /// The index of the source that is being announced.
  private var announcing: Int { firstEntries.count - 1 }

  /// The source of the entry `number`; without a number, the source that is being announced.
  func source(of number: Int?) -> TreeSource {
    guard let number, sources.count > 1 else { return sources[announcing] }
    var (low, high) = (0, firstEntries.count)
    // The last source whose first entry is not after `number`.
    while high - low > 1 {
      let middle = (low + high) / 2
      if firstEntries[middle] <= number { low = middle } else { high = middle }
    }
    return sources[low]
  }

  mutating func announce(
    _ path: RelativePath, _ status: FileStatus, _ link: [UInt8]?
  ) throws(FileError) {
    switch status.kind {
    case .file: return try announceFile(path, status)
    case .folder: openFolders.append(ledger.announce(.folder, path))
    case .link: _ = ledger.announce(.link, path)
    case .other(let what):
      return try fail(
        nil, path,
        FileError(.notAFile, "'\(path)' is \(what), which is not transferred", path: "\(path)"))
    }
    output.write(.entry(entry(path, status, link)))
  }

  private mutating func announceFile(_ path: RelativePath, _ status: FileStatus) throws(FileError) {
    let file = SourcePath(source: announcing, path: path)
    let digest = options.comparesDigests ? try? digest(of: file) : nil
    items.append(.file(ledger.announce(.file, path, digest: digest), file, status))
    meter?.update { $0.announce(status.size) }
    let isUnsized = status.size == 0 && isContentAt(file)
    if !options.comparesDigests, !isUnsized, let (name, folder) = sharedName(of: path) {
      return output.announce(name, in: folder, status)
    }
    var entry = entry(path, status, nil)
    // Its length is not known before it is read.
    if isUnsized { entry.size = nil }
    entry.digest = digest
    output.write(.entry(entry))
  }

  /// Whether a file whose size is 0 has contents, like the files of proc(5). The receiver must not
  /// treat it as an unchanged empty file.
  private mutating func isContentAt(_ file: SourcePath) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { byte in
      // An error shows again when the file is sent.
      (try? open(file).read(into: byte, at: 0)) ?? 0 > 0
    }
  }

  /// The name and the folder at the receiver of a file that is announced together with others; nil
  /// if it gets a record of its own.
  private func sharedName(of path: RelativePath) -> (name: String, folder: [UInt8])? {
    let source = sources[announcing]
    let bytes: (name: [UInt8], folder: [UInt8])
    if path == source.path {
      // A receiver that has requested one name expects a record with that name.
      guard sources.count > 1 else { return nil }
      bytes = (source.name, [])
    } else {
      bytes = (path.name, source.wirePath(of: path.parent))
    }
    return String(validating: bytes.name, as: UTF8.self).map { ($0, bytes.folder) }
  }

  private func entry(_ path: RelativePath, _ status: FileStatus, _ link: [UInt8]?) -> FileEntry {
    var entry = FileEntry(path, status, link: link)
    entry.path = PathText(sources[announcing].wirePath(of: path))
    return entry
  }

  private mutating func digest(of path: SourcePath) throws(FileError) -> String {
    let file = try open(path)
    var hasher = FileHasher(options.digest)
    try hasher.update(file, 0..<file.status.size)
    return hasher.digest
  }

  mutating func open(_ file: SourcePath) throws(FileError) -> SourceFile {
    let source = sources[file.source]
    let root = try roots.root(of: source)
    let path = file.path
    let folder: Folder
    if let last = self.folder, last.root === root, last.path == path.parent {
      folder = last
    } else {
      folder = try root.parent(of: path)
      self.folder = folder
    }
    return try folder.openFile(path.name, followsLink: path == source.path)
  }
}
