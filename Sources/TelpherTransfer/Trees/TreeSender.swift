internal import TelpherTransport
package import TelpherFileStore
package import TelpherWire

/// Sends files, folders and links over one stream, without a round trip for each (docs/PROTOCOL.md,
/// "Trees"). It announces entries ahead, and sends the files that the receiver wants as the answers
/// arrive. The server and the client both use it. Its methods block, so it runs on a worker's
/// thread.
///
/// `SenderState` decides what comes next, `SourceWalk` reads the sources, `SenderStream` writes and
/// waits, and a `FileTransmission` sends one file.
package struct TreeSender {
  private let options: TransferOptions
  private let meter: TransferMeter?
  private let walk: SourceWalk
  private var stream: SenderStream

  /// The first entries that could not be sent or stored. `counts` has the total number.
  package var failures: [TransferFailure] { stream.keptFailures }
  /// The counts of entries by outcome. After `run` has returned they equal the receiver's.
  package var counts: TreeCounts { stream.state.counts }

  /// Creates a sender of the file, folder or link at `source` below `root`. `name` is its name at
  /// the receiver; if empty, the contents of the folder `source` are sent.
  package init(
    port: TransferPort, root: Root, source: RelativePath, name: [UInt8],
    options: TransferOptions, meter: TransferMeter? = nil, onFile: FileReportHandler? = nil
  ) {
    self.init(
      port: port,
      sources: [TreeSource(place: .root(root), path: source, name: name, status: nil)],
      options: options, meter: meter, onFile: onFile)
  }

  /// Creates a sender of several files, folders and links, which all have different names at the
  /// receiver.
  ///
  /// - Parameter sources: one or more.
  package init(
    port: TransferPort, sources: [TreeSource], options: TransferOptions,
    meter: TransferMeter? = nil, onFile: FileReportHandler? = nil
  ) {
    self.options = options
    self.meter = meter
    let walk = SourceWalk(sources)
    self.walk = walk
    let report: SenderStream.Report? = onFile.map { onFile in
      { number, entry, outcome in
        onFile(
          FileReport(walk.wirePath(of: entry.path, number), entry, outcome, options.digest))
      }
    }
    stream = SenderStream(
      port: port, failures: FailureList(sources: sources.count),
      sendsUnasked: options.sendsUnasked, report: report)
  }

  /// Sends everything, and waits until the receiver has settled it. Failures of single entries are
  /// listed in `failures`.
  ///
  /// - Throws: `FileError` if the only source can't be found, the receiver violates the protocol, or
  ///   the stream is over.
  package mutating func run() throws(FileError) {
    try announceNext()
    while true {
      try stream.receiveAnswers()
      switch try stream.state.next() {
      case .announce: try announceNext()
      case .send(let number, let file, let status, let prefix):
        meter?.update { $0.begin(file.path) }
        var transmission = FileTransmission(
          number, file, announced: status, after: prefix, options, meter)
        try transmission.run(from: walk, on: &stream)
      case .pass(let status): meter?.update { $0.skip(status.size) }
      case .leave(let number): stream.write(.leave(number))
      case .awaitAnswers: try stream.awaitAnswers()
      case .finish: return try stream.finish()
      }
      try stream.waitForRoom()
    }
  }

  // MARK: Announcing

  private mutating func announceNext() throws(FileError) {
    switch try walk.next(number: stream.state.nextNumber) {
    case .entry(let path, let status, let link): announce(path, status, link)
    case .leave: stream.state.leaveFolder()
    case .failed(let path, let error): fail(path, error)
    }
    guard walk.isAtEnd else { return }
    meter?.update { $0.isTotalKnown = true }
    stream.write(.complete(stream.state.announcedAll()))
  }

  private mutating func announce(_ path: RelativePath, _ status: FileStatus, _ link: [UInt8]?) {
    switch status.kind {
    case .file: return announceFile(path, status)
    case .folder: stream.state.announceFolder(path)
    case .link: stream.state.announceLink(path)
    case .other(let what):
      return fail(
        path,
        FileError(.notAFile, "'\(path)' is \(what), which is not transferred", path: "\(path)"))
    }
    stream.write(.entry(entry(path, status, link)))
  }

  private mutating func announceFile(_ path: RelativePath, _ status: FileStatus) {
    let file = walk.file(path)
    let digest = options.comparesDigests ? try? walk.digest(of: file, options.digest) : nil
    stream.state.announceFile(file, status, digest: digest)
    meter?.update { $0.announce(status.size) }
    let isUnsized = status.size == 0 && walk.isContentAt(file)
    if !options.comparesDigests, !isUnsized, let (name, folder) = walk.sharedName(of: path) {
      return stream.announce(name, in: folder, status)
    }
    var entry = entry(path, status, nil)
    // Its length is not known before it is read.
    if isUnsized { entry.size = nil }
    entry.digest = digest
    stream.write(.entry(entry))
  }

  private func entry(_ path: RelativePath, _ status: FileStatus, _ link: [UInt8]?) -> FileEntry {
    var entry = FileEntry(path, status, link: link)
    entry.path = PathText(walk.wirePath(of: path))
    return entry
  }

  /// Something can't be announced.
  private mutating func fail(_ path: RelativePath, _ error: FileError) {
    stream.fail(nil, path, as: walk.failurePath(of: path, nil), error)
  }
}
