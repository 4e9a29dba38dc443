internal import Glibc
public import TelpherFiles
internal import TelpherTransport
public import TelpherWire

extension Connection {
  /// Stores files of this machine on the server, folders with all that they hold.
  ///
  /// As cp(1) does: a `destination` that is a folder takes them in under their names; else the one
  /// source gets that name. Every file is verified by its digest and gets its name only once it is
  /// whole. Canceling the task stops it; what is half stored is kept for `options.resume`.
  ///
  /// - Parameters:
  ///   - sources: paths on this machine, relative ones from the working directory.
  ///   - destination: below the server's root; empty for the root itself.
  ///   - recursively: whether folders are sent; without it they are failures.
  ///   - meter: counts while it goes; its updates end with the transfer.
  ///   - onFile: takes what became of each file, with its digest, once that is known: from the thread that
  ///     moves the files, which waits for it. The report keeps only the first ones.
  /// - Returns: what became of it. Entries that fail don't stop the others: see `isComplete`.
  /// - Throws: `FileError` where nothing can be stored there; `ClientError` where the connection
  ///   fails; `CancellationError`.
  public nonisolated func put(
    _ sources: [String], to destination: String, recursively: Bool = false,
    options: TransferOptions = TransferOptions(), meter: TransferMeter? = nil,
    onFile: FileReportHandler? = nil
  ) async throws -> TransferReport {
    defer { meter?.finish() }
    let target = try await remoteTarget(destination, mustBeFolder: sources.count > 1)
    var report = TransferReport()
    let reports = FileReports(passingTo: onFile)
    for source in sources {
      do {
        if let pipe = try PipeSource(Array(source.utf8)) {
          let name = target.name ?? LocalPlace.lastPart(of: Array(source.utf8))
          let file = try await put(
            from: pipe.descriptor, named: source, to: target.folder.appending(name),
            options: options)
          withExtendedLifetime(pipe) { reports.add(file) }
          report.add(TransferReport(of: file))
          continue
        }
        let place = try LocalPlace(source: source)
        guard !place.isFolder || recursively else {
          throw FileError(.notAFile, "'\(source)' is a folder, which needs -r", path: source)
        }
        let (counts, failures) = try await put(
          place, into: target.folder, as: target.name ?? place.name, options, meter, reports)
        report.add(counts, failures)
      } catch let error as FileError where error.code != .canceled {
        if sources.count == 1 { throw error }
        report.add(error, source)
      }
    }
    report.files = reports.kept
    return report
  }

  private nonisolated func put(
    _ place: LocalPlace, into folder: PathText, as name: [UInt8], _ options: TransferOptions,
    _ meter: TransferMeter?, _ reports: FileReports
  ) async throws -> (TreeCounts, [TransferFailure]) {
    let request = FileRequest(.putTree, folder, options)
    let (sent, result) = try await perform(request) { (port) throws(FileError) in
      var sender = TreeSender(
        port: port, root: place.root, source: place.path, name: name, options: options,
        meter: meter, onFile: reports.add)
      try sender.run()
      return (sender.counts, sender.failures)
    }
    try result.check(against: sent.0, of: "\(PathText(place.name))")
    return sent
  }

  /// Fetches files from the server, folders with all that they hold.
  ///
  /// As cp(1) does: a `destination` that is a folder takes them in under their names; else the one
  /// source gets that name. Nothing is written but what was asked for, below that folder, whatever
  /// the server sends.
  ///
  /// - Parameters:
  ///   - sources: paths below the server's root.
  ///   - destination: on this machine, relative to the working directory.
  /// - Returns, Throws: as `put`.
  public nonisolated func get(
    _ sources: [String], to destination: String, recursively: Bool = false,
    options: TransferOptions = TransferOptions(), meter: TransferMeter? = nil,
    onFile: FileReportHandler? = nil
  ) async throws -> TransferReport {
    defer { meter?.finish() }
    let target = try LocalPlace(destination: destination, mustBeFolder: sources.count > 1)
    var report = TransferReport()
    let reports = FileReports(passingTo: onFile)
    for source in sources {
      do {
        let (counts, failures) = try await get(
          source, to: target, recursively, options, meter, reports)
        report.add(counts, failures)
      } catch let error as FileError where error.code != .canceled {
        if sources.count == 1 { throw error }
        report.add(error, source)
      }
    }
    report.files = reports.kept
    return report
  }

  private nonisolated func get(
    _ source: String, to target: LocalPlace, _ recursively: Bool, _ options: TransferOptions,
    _ meter: TransferMeter?, _ reports: FileReports
  ) async throws -> (TreeCounts, [TransferFailure]) {
    var name = target.name
    if target.isFolder {
      name = LocalPlace.lastPart(of: Array(source.utf8))
      if name == Array(".".utf8) { name = [] }
    }
    var request = FileRequest(.getTree, PathText(source), options)
    request.name = PathText(name)
    request.recursive = recursively ? true : nil
    let (received, result) = try await perform(request) { [name] (port) throws(FileError) in
      do throws(FileError) {
        var receiver = try TreeReceiver(
          port: port, root: target.root, base: .root, expecting: name, options: options,
          meter: meter, onFile: reports.add)
        try receiver.run()
        return (receiver.counts, receiver.failures)
      } catch {
        throw error.naming(root: target.root.path)
      }
    }
    try result.check(against: received.0, of: source)
    return received
  }

  /// The folder on the server that things go to, and the name they get where it isn't theirs.
  private nonisolated func remoteTarget(_ destination: String, mustBeFolder: Bool) async throws
    -> (folder: PathText, name: [UInt8]?)
  {
    let bytes = Array(destination.utf8)
    do {
      if try await status(of: PathText(bytes), followsLink: true).kind == .directory {
        return (PathText(bytes), nil)
      }
    } catch let error as FileError where error.errno == ENOENT {
      // It is to be made.
    }
    guard !mustBeFolder, !destination.hasSuffix("/") else {
      throw FileError(
        .notAFolder, "'\(destination)' is not a folder on the server", path: destination)
    }
    let name = LocalPlace.lastPart(of: bytes)
    return (PathText(Array(bytes.dropLast(name.count))), name)
  }

  // MARK: Without a file on this side

  /// Stores bytes as the file `path` on the server.
  ///
  /// - Parameter mode: the permission bits.
  /// - Throws: as `put`.
  public nonisolated func write(
    _ bytes: [UInt8], to path: String, mode: UInt32 = 0o644,
    options: TransferOptions = TransferOptions()
  ) async throws {
    var request = FileRequest(.put, PathText(path), options)
    request.resume = nil
    (request.size, request.mode) = (Int64(bytes.count), mode)
    let (digest, result) = try await perform(request) { (port) throws(FileError) in
      try MemoryFile.send(bytes, on: port, digest: options.digest)
    }
    guard result.result == .skipped || result.digest == digest else {
      throw FileError(
        .digestMismatch, "the server stored other bytes of '\(path)' than were sent",
        path: "\(path)")
    }
  }

  /// The bytes of the file `path` on the server.
  ///
  /// - Parameter limit: the most bytes to take.
  /// - Throws: as `put`; `FileError` (`tooLarge`) where it is longer.
  public nonisolated func read(
    _ path: String, limit: Int = 16 << 20, options: TransferOptions = TransferOptions()
  ) async throws -> [UInt8] {
    let request = FileRequest(.get, PathText(path), options)
    let (file, result) = try await perform(request) { (port) throws(FileError) in
      try MemoryFile.receive(from: port, digest: options.digest, limit: limit)
    }
    guard result.digest == file.digest else {
      throw FileError(
        .digestMismatch, "what arrived of '\(path)' is not what was sent", path: path)
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
  /// The path of `name` in the folder at this one.
  fileprivate func appending(_ name: [UInt8]) -> PathText {
    let slash = UInt8(ascii: "/")
    return PathText(bytes.isEmpty || bytes.last == slash ? bytes + name : bytes + [slash] + name)
  }
}
