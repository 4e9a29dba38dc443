internal import TelpherFileStore
internal import TelpherTransfer
internal import TelpherWire

extension Connection {
  /// Stores one file at once, without waiting for the answer whether the destination is a folder: the
  /// server decides where it goes. The answer only says under which name the file is reported.
  ///
  /// - Returns: nil if the server can't do that, or if the destination has no name of its own.
  /// - Throws: as `put`.
  nonisolated func put(
    _ file: LocalSource, named destination: PathText, _ options: TransferOptions,
    _ meter: TransferMeter?, _ onFile: FileReportHandler?
  ) async throws -> TransferReport? {
    let name = LocalPlace.lastPart(of: destination.bytes)
    guard !name.isEmpty, name != Array(".".utf8), name != Array("..".utf8),
      await supports(WireConstants.namedPuts)
    else { return nil }
    let target = AwaitedAnswer<RemoteTarget>()
    async let answer = target.set { [self] in
      try await remoteTarget(destination.bytes, mustBeFolder: false, makesParents: false)
    }
    let ownName = PathText(file.name)
    let reports = FileReports { report in
      var report = report
      if let found = try? target.wait(), found.name == nil { report.path = ownName }
      onFile?(report)
    }
    var request = FileRequest(.putTree, destination, options)
    request.name = ownName
    request.follow = true
    var report = TransferReport()
    do {
      let (counts, failures) = try await put(
        [file.sent(as: name)], by: request, options, meter, onFile: reports.add)
      // If there is no answer, the file is stored all the same.
      let isInFolder = (try? await answer).map { $0.name == nil } ?? false
      report.add(
        counts,
        failures.map {
          isInFolder ? TransferFailure(path: "\(ownName)", message: $0.message) : $0
        })
      report.files = reports.kept.map { file in
        var file = file
        if isInFolder { file.path = ownName }
        return file
      }
    } catch {
      // If the destination can't be used, its own message is plainer.
      _ = try await answer
      throw error
    }
    return report
  }
}
