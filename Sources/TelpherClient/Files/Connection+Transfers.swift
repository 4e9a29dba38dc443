internal import Glibc
internal import TelpherFileStore
internal import TelpherLink
internal import TelpherTransfer
internal import TelpherTransport
internal import TelpherWire

extension Connection {
  /// Stores files and folders of this machine on the server.
  ///
  /// The destination works as with cp(1): if it is a folder, the sources are stored in it under
  /// their names; otherwise the only source gets that name. Every file is verified by its digest
  /// and gets its name only when it is complete. Canceling the task stops the transfer; partial
  /// files are kept for `options.resume`.
  ///
  /// - Parameters:
  ///   - sources: paths on this machine; relative paths start in the working directory.
  ///   - destination: a path on the server. A relative path starts in the home of the server's
  ///     user, or in the server's root (see docs/PROTOCOL.md, "Paths"). An empty path is that
  ///     folder itself.
  ///   - recursively: whether to send folders with all their contents; if false, a folder is a
  ///     failure.
  ///   - meter: counts the progress; its updates end with the transfer.
  ///   - onFile: called with the outcome of each file and its digest, on the thread that moves the
  ///     files, which waits for it. The report keeps only the first 1,000 files.
  /// - Returns: a report of the transfer. A failed entry does not stop the others: see
  ///   `isComplete`.
  /// - Throws: `FileError` if nothing can be stored at the destination, if two sources would get
  ///   the same name, or if the destination is inside a source; `ClientError` if the connection
  ///   fails; `CancellationError`.
  public nonisolated func put(
    _ sources: [some PathRepresentable], to destination: some PathRepresentable,
    recursively: Bool = false, options: TransferOptions = TransferOptions(),
    meter: TransferMeter? = nil, onFile: FileReportHandler? = nil
  ) async throws -> TransferReport {
    defer { meter?.finish() }
    var options = options.resolved(recursively: recursively)
    if sources.count == 1, !options.makesParents,
      let file = try? LocalSource(sources[0].pathText.bytes), file.status.kind == .file,
      let report = try await put(file, named: destination.pathText, options, meter, onFile)
    {
      return report
    }
    let target = try await remoteTarget(
      destination.pathText.bytes, mustBeFolder: sources.count > 1,
      makesParents: options.makesParents)
    if target.isFree { options = options.forNewTree }
    var report = TransferReport()
    let reports = FileReports(passingTo: onFile)
    var trees: [(source: PathText, local: LocalSource)] = []
    var pipes: [(source: PathText, pipe: PipeSource)] = []
    for source in sources.map(\.pathText) {
      do {
        if let pipe = try PipeSource(source.bytes) {
          pipes.append((source, pipe))
          continue
        }
        let local = try LocalSource(source.bytes)
        guard !local.isFolder || recursively else {
          throw FileError(
            .notAFile, "'\(source)' is a folder, which needs -r", path: source.description)
        }
        trees.append((source, local))
      } catch let error as FileError {
        if sources.count == 1 { throw error }
        report.add(error, source.description)
      }
    }
    var names = DestinationNames(destination: destination.pathText)
    for (source, _) in pipes {
      try names.add(target.name ?? LocalPlace.lastPart(of: source.bytes), of: source)
    }
    for (source, local) in trees {
      let name = target.name ?? local.name
      if local.isFolder, target.lineage.isInside(try local.lineage()) {
        throw FileError(intoItself: source, destination.pathText)
      }
      if name.isEmpty, sources.count > 1 {
        for name in try local.names() { try names.add(name, of: source) }
      } else {
        try names.add(name, of: source)
      }
    }
    // Sources that keep a name share one stream. The contents of a folder have a stream of their
    // own: see `FileRequest.follow`.
    let sent = trees.map {
      (source: $0.source, tree: $0.local.sent(as: target.name ?? $0.local.name))
    }
    let groups =
      [sent.filter { !$0.tree.name.isEmpty }] + sent.filter { $0.tree.name.isEmpty }.map { [$0] }
    let moves =
      groups.filter { !$0.isEmpty }.map { group in
        Move(sources: group.map { $0.source }) { [options] in
          try await self.put(group.map { $0.tree }, into: target.folder, options, meter, reports)
        }
      }
      + pipes.map { source, pipe in
        Move(sources: [source]) { [options] in
          let name = target.name ?? LocalPlace.lastPart(of: source.bytes)
          let file = try await self.put(
            from: pipe.descriptor, named: source.description, to: target.folder.appending(name),
            options: options)
          return withExtendedLifetime(pipe) {
            reports.add(file)
            return (TransferReport(of: file).counts, [])
          }
        }
      }
    try await perform(moves, &report)
    report.files = reports.kept
    return report
  }

  private nonisolated func put(
    _ sources: [TreeSource], into folder: PathText, _ options: TransferOptions,
    _ meter: TransferMeter?, _ reports: FileReports
  ) async throws -> (TreeCounts, [TransferFailure]) {
    var request = FileRequest(.putTree, folder, options)
    // With an empty name the contents of a folder are sent. The user did not name these files, so
    // links with their names are not followed.
    request.follow = sources[0].name.isEmpty ? nil : true
    return try await put(sources, by: request, options, meter, onFile: reports.add)
  }

  /// Sends `sources` by `request`, and checks that both sides have the same counts.
  nonisolated func put(
    _ sources: [TreeSource], by request: FileRequest, _ options: TransferOptions,
    _ meter: TransferMeter?, onFile: @escaping FileReportHandler
  ) async throws -> (TreeCounts, [TransferFailure]) {
    var (request, options) = (request, options)
    options.sendsUnasked = options.wantsEverything ? await knowsUnasked : false
    request.unasked = options.sendsUnasked ? true : nil
    let (sent, result) = try await perform(request) { [options] (port) throws(FileError) in
      var sender = TreeSender(
        port: port, sources: sources, options: options, meter: meter, onFile: onFile)
      try sender.run()
      return (sender.counts, sender.failures)
    }
    try result.check(
      against: sent.0, of: sources.count == 1 ? "\(PathText(sources[0].name))" : "the sources")
    return sent
  }

  /// Whether the server is known to accept, and to send, files of trees that nothing has asked for yet.
  nonisolated var knowsUnasked: Bool {
    get async { await supports(WireConstants.unaskedFiles) }
  }

  func supports(_ feature: String) -> Bool { session.supports(feature) }

  /// The transfer of one or more sources over one stream.
  struct Move: Sendable {
    var sources: [PathText]
    var perform: @Sendable () async throws -> (TreeCounts, [TransferFailure])
  }

  /// The number of streams that transfer sources at once. Each one waits for answers and for the
  /// disk, so several at once are faster; more than this would only use memory.
  nonisolated var movesAtOnce: Int { 16 }

  /// Performs the moves, and reports their failures in order.
  ///
  /// - Throws: the `FileError` of a move if there is nothing else to report; any other error, which
  ///   ends all moves.
  nonisolated func perform(
    _ moves: [Move], _ report: inout TransferReport
  ) async throws {
    typealias Outcome = Result<(TreeCounts, [TransferFailure]), FileError>
    var outcomes = [Outcome?](repeating: nil, count: moves.count)
    try await withThrowingTaskGroup(of: (Int, Outcome).self) { group in
      for (index, move) in moves.enumerated() {
        if index >= movesAtOnce, let (done, outcome) = try await group.next() {
          outcomes[done] = outcome
        }
        group.addTask {
          do {
            return (index, .success(try await move.perform()))
          } catch let error as FileError where error.code != .canceled {
            return (index, .failure(error))
          }
        }
      }
      for try await (done, outcome) in group { outcomes[done] = outcome }
    }
    for (move, outcome) in zip(moves, outcomes) {
      switch outcome {
      case .success((let counts, let failures)): report.add(counts, failures)
      case .failure(let error) where moves.count == 1 && report.isComplete: throw error
      case .failure(let error):
        for source in move.sources { report.add(error, source.description) }
      case nil: preconditionFailure("the group has waited for all")
      }
    }
  }

  /// The destination of a transfer on the server.
  struct RemoteTarget {
    /// The folder that receives the sources.
    var folder: PathText
    /// The new name of the source; nil if it keeps its own.
    var name: [UInt8]?
    /// Whether nothing has that name.
    var isFree = false
    /// The folder and the folders that contain it.
    var lineage: FolderLineage
  }

  nonisolated func remoteTarget(
    _ destination: [UInt8], mustBeFolder: Bool, makesParents: Bool
  ) async throws -> RemoteTarget {
    let whole = PathText(destination)
    let name = LocalPlace.lastPart(of: destination)
    let endsInSlash = destination.last == UInt8(ascii: "/")
    let parent = PathText(Array(destination.dropLast(endsInSlash ? 0 : name.count)))
    // Ask for both at once, because the round trip may be long.
    async let wholeStatus = status(ifThereIs: whole)
    async let parentStatus = parent == whole ? nil : status(ifThereIs: parent)
    let found = try await wholeStatus
    if let found, found.entry.kind == .directory {
      return RemoteTarget(folder: whole, name: nil, lineage: found.lineage)
    }
    let foundParent = parent == whole ? found : try await parentStatus
    let isFolder = mustBeFolder || endsInSlash
    if makesParents, found == nil, isFolder || foundParent == nil {
      let folder = isFolder ? whole : parent
      try await makeFolder(folder, mode: 0o777, withParents: true)
      let lineage = try await self.lineage(of: folder).lineage
      return RemoteTarget(folder: folder, name: isFolder ? nil : name, lineage: lineage)
    }
    guard !isFolder else {
      guard found != nil else {
        throw FileError(
          .noParent, "the folder '\(whole)' is not on the server", errno: ENOENT,
          path: whole.description)
      }
      throw FileError(
        .notAFolder, "'\(whole)' is not a folder on the server", path: whole.description)
    }
    guard let (entry, lineage) = foundParent else {
      throw FileError(
        .noParent,
        "cannot store '\(whole)': the folder '\(parent.withoutSlash)' is not on the server",
        errno: ENOENT, path: whole.description)
    }
    guard entry.kind == .directory else {
      throw FileError(
        .notAFolder, "'\(parent.withoutSlash)' is not a folder on the server",
        path: parent.withoutSlash.description)
    }
    return RemoteTarget(folder: parent, name: name, isFree: found == nil, lineage: lineage)
  }

  /// Returns the entry at `path`; nil if there is none.
  private nonisolated func status(
    ifThereIs path: PathText
  ) async throws -> (entry: FileEntry, lineage: FolderLineage)? {
    do {
      return try await lineage(of: path)
    } catch let error as FileError where error.errno == ENOENT {
      return nil
    }
  }

  // MARK: Bytes in memory

  /// Stores bytes as the file `path` on the server.
  ///
  /// - Parameter mode: the permission bits.
  /// - Throws: as `put`.
  public nonisolated func write(
    _ bytes: [UInt8], to path: some PathRepresentable, mode: UInt32 = 0o644,
    options: TransferOptions = TransferOptions()
  ) async throws {
    var request = FileRequest(.put, path.pathText, options)
    request.resume = nil
    (request.size, request.mode) = (Int64(bytes.count), mode)
    let (digest, result) = try await perform(request) { (port) throws(FileError) in
      try MemoryFile.send(bytes, on: port, digest: options.digest)
    }
    guard result.result == .skipped || result.digest == digest else {
      throw FileError(
        .digestMismatch, "the server stored other bytes for '\(path)' than were sent",
        path: "\(path)")
    }
  }

  /// Returns the bytes of the file `path` on the server.
  ///
  /// - Parameter limit: the most bytes to read.
  /// - Throws: as `put`; `FileError` (`tooLarge`) if the file is longer than `limit`.
  public nonisolated func read(
    _ path: some PathRepresentable, limit: Int = 16 << 20,
    options: TransferOptions = TransferOptions()
  ) async throws -> [UInt8] {
    let path = path.pathText
    let request = FileRequest(.get, path, options)
    let (file, result) = try await perform(request) { (port) throws(FileError) in
      try MemoryFile.receive(from: port, digest: options.digest, limit: limit)
    }
    guard result.digest == file.digest else {
      throw FileError(
        .digestMismatch, "the bytes of '\(path)' that arrived differ from those that were sent",
        path: path.description)
    }
    return file.bytes
  }
}

extension FileRequest {
  init(_ operation: Operation, _ path: PathText, _ options: TransferOptions) {
    self.init(operation, path)
    digest = options.digest == .xxh128 ? nil : options.digest.rawValue
    ifExists = options.ifExists == .replace ? nil : options.ifExists
    resume = options.resume ? true : nil
    compareDigests = options.comparesDigests ? true : nil
    sync = options.sync ? nil : false
  }
}

extension PathText {
  /// The path without a slash at its end, for messages.
  fileprivate var withoutSlash: PathText {
    bytes.count > 1 && bytes.last == UInt8(ascii: "/") ? PathText(Array(bytes.dropLast())) : self
  }

  /// The path of `name` in the folder that this path names.
  fileprivate func appending(_ name: [UInt8]) -> PathText {
    let slash = UInt8(ascii: "/")
    return PathText(bytes.isEmpty || bytes.last == slash ? bytes + name : bytes + [slash] + name)
  }
}
