internal import TelpherFileStore
public import TelpherTransfer
internal import TelpherWire

extension Connection {
  /// Fetches files and folders from the server.
  ///
  /// The destination works as with cp(1): if it is a folder, the sources are stored in it under
  /// their names; otherwise the only source gets that name. Whatever the server sends, only the
  /// requested names are written, and only below the destination's folder.
  ///
  /// - Parameters:
  ///   - sources: paths on the server. A relative path starts in the home of the server's user, or
  ///     in the server's root.
  ///   - destination: a path on this machine; a relative path starts in the working directory.
  /// - Returns, Throws: as `put`.
  public nonisolated func get(
    _ sources: [some PathRepresentable], to destination: some PathRepresentable,
    recursively: Bool = false, options: TransferOptions = TransferOptions(),
    meter: TransferMeter? = nil, onFile: FileReportHandler? = nil
  ) async throws -> TransferReport {
    defer { meter?.finish() }
    var options = options.resolved(recursively: recursively)
    let target = try LocalPlace(
      destination: destination.pathText.bytes, mustBeFolder: sources.count > 1,
      makesParents: options.makesParents)
    if target.isFree { options = options.forNewTree }
    var report = TransferReport()
    let reports = FileReports(passingTo: onFile)
    var named: [(source: PathText, name: [UInt8])] = []
    var names = DestinationNames(destination: destination.pathText)
    for source in sources.map(\.pathText) {
      let path: RequestedPath
      do {
        path = try RequestedPath(source.bytes)
      } catch {
        if sources.count == 1 { throw error }
        report.add(error, source.description)
        continue
      }
      let isContents =
        path.path.isRoot || LocalPlace.lastPart(of: source.bytes) == [UInt8(ascii: ".")]
      let name = target.isFolder ? (isContents ? [] : path.path.name) : target.name
      named.append((source, name))
      if name.isEmpty, sources.count > 1 {
        for entry in try await list(source) {
          try names.add(LocalPlace.lastPart(of: entry.path.bytes), of: source)
        }
      } else {
        try names.add(name, of: source)
      }
    }
    // The server is asked while it sends already, and nothing is stored before it has answered.
    let answer = AwaitedAnswer<Void>()
    let lineage = recursively ? try target.lineageOfFolder() : nil
    let (paths, shown) = (named.map { $0.source }, destination.pathText)
    async let check: Void = answer.set { [self] in
      if let lineage { try await checkNotInside(paths, lineage, shown) }
    }
    let moves = Self.streams(for: named).map { group in
      Move(sources: group.map(\.path)) { [options] in
        try await self.get(group, to: target, recursively, options, answer, meter, reports)
      }
    }
    do {
      try await perform(moves, &report)
    } catch {
      // A failed check is the reason.
      try await check
      throw error
    }
    try await check
    report.files = reports.kept
    return report
  }

  /// Divides the sources into those that one stream fetches. The contents of a folder have a stream
  /// of their own, since their names are not known.
  private nonisolated static func streams(
    for sources: [(source: PathText, name: [UInt8])]
  ) -> [[FileRequest.Source]] {
    var streams: [[FileRequest.Source]] = []
    var isOpen = false
    var bytes = 0
    for (source, name) in sources {
      let source = FileRequest.Source(source, as: PathText(name))
      let length = source.path.bytes.count + name.count
      if name.isEmpty {
        streams.insert([source], at: isOpen ? streams.count - 1 : streams.count)
      } else if isOpen, streams[streams.count - 1].count < mostSources,
        bytes + length <= mostSourceBytes
      {
        streams[streams.count - 1].append(source)
        bytes += length
      } else {
        streams.append([source])
        (isOpen, bytes) = (true, length)
      }
    }
    return streams
  }

  /// The most sources of one `get_tree`. Their failures and its OPEN stay small.
  private nonisolated static var mostSources: Int { 4_096 }
  /// The most bytes of their paths and names. In JSON a byte takes at most six, so the OPEN stays
  /// below `WireConstants.maxOpenLength`.
  private nonisolated static var mostSourceBytes: Int { 1 << 20 }

  /// Checks that the destination is not inside one of the sources.
  ///
  /// - Throws: `FileError`.
  private nonisolated func checkNotInside(
    _ sources: [PathText], _ destination: FolderLineage, _ shown: PathText
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, source) in sources.enumerated() {
        if index >= movesAtOnce { _ = try await group.next() }
        group.addTask {
          let lineage: FolderLineage
          do {
            lineage = try await self.lineage(of: source).lineage
          } catch is FileError {
            // The transfer reports it.
            return
          }
          if destination.isInside(lineage) { throw FileError(intoItself: source, shown) }
        }
      }
      try await group.waitForAll()
    }
  }

  private nonisolated func get(
    _ sources: [FileRequest.Source], to target: LocalPlace, _ recursively: Bool,
    _ options: TransferOptions, _ check: AwaitedAnswer<Void>, _ meter: TransferMeter?,
    _ reports: FileReports
  ) async throws -> (TreeCounts, [TransferFailure]) {
    var request = FileRequest(.getTree, sources[0].path, options)
    request.name = sources[0].name
    request.sources = sources.count > 1 ? Array(sources.dropFirst()) : nil
    request.recursive = recursively ? true : nil
    var options = options
    let isContents = sources[0].name.bytes.isEmpty
    options.followsLinks = !isContents
    options.sendsUnasked = options.wantsEverything ? await knowsUnasked : false
    request.unasked = options.sendsUnasked ? true : nil
    let expected: ExpectedNames =
      isContents ? .contents : .these(Set(sources.map(\.name.bytes)))
    let (received, result) = try await perform(request) { [options] (port) throws(FileError) in
      try check.wait()
      do throws(FileError) {
        var receiver = try TreeReceiver(
          port: port, root: target.root, base: .root, expecting: expected,
          acceptsOnlyFiles: !recursively, options: options, meter: meter, onFile: reports.add)
        try receiver.run()
        return (receiver.counts, receiver.failures)
      } catch {
        throw error.naming(root: target.root.path)
      }
    }
    try result.check(
      against: received.0, of: sources.count == 1 ? sources[0].path.description : "the sources")
    return received
  }
}
