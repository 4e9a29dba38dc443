public import TelpherFiles
internal import TelpherTransport
public import TelpherWire

extension Connection {
  // MARK: Small requests

  /// What the server's folder `path` holds, sorted by name; of a file, the file itself.
  ///
  /// - Parameters:
  ///   - path: on the server; relative ones start in the home of its user, or in its root (see
  ///     docs/PROTOCOL.md, "Paths"). Empty for where they start.
  ///   - recursively: whether folders below are listed too, their entries behind them.
  /// - Throws: `FileError`; `ClientError` where the connection fails; `CancellationError`.
  public nonisolated func list(_ path: some PathRepresentable, recursively: Bool = false)
    async throws
    -> [FileEntry]
  {
    var request = FileRequest(.list, path.pathText)
    request.recursive = recursively ? true : nil
    return try await perform(request) { (port) throws(FileError) in
      try EntryList.receive(from: port)
    }.value
  }

  /// What there is at `path`.
  ///
  /// - Parameter followsLink: whether a link at its end is followed.
  /// - Throws: `FileError` (`notFound` by its `errno`, ENOENT); otherwise as `list`.
  public nonisolated func status(
    of path: some PathRepresentable, followsLink: Bool = false
  ) async throws -> FileEntry {
    var request = FileRequest(.stat, path.pathText)
    request.follow = followsLink ? true : nil
    return try await status(request).entry
  }

  /// What there is at `path`, along links; of a folder with those that hold it.
  nonisolated func lineage(
    of path: PathText
  ) async throws -> (entry: FileEntry, lineage: FolderLineage) {
    var request = FileRequest(.stat, path)
    (request.follow, request.ancestors) = (true, true)
    let (entry, result) = try await status(request)
    return (entry, FolderLineage(names: result.ancestors ?? []))
  }

  private nonisolated func status(
    _ request: FileRequest
  ) async throws -> (entry: FileEntry, result: CloseResult) {
    let result = try await perform(request)
    guard let entry = result.entry else {
      throw ClientError(.protocolError, "the server told nothing of the file")
    }
    return (entry, result)
  }

  /// Makes the folder `path`, with its missing parents if `withParents`, in which case one that is
  /// there is fine.
  ///
  /// - Throws: as `list`.
  public nonisolated func makeFolder(
    _ path: some PathRepresentable, mode: UInt32 = 0o755, withParents: Bool = false
  ) async throws {
    var request = FileRequest(.mkdir, path.pathText)
    request.mode = mode
    request.parents = withParents ? true : nil
    _ = try await perform(request)
  }

  /// Removes a file, a link, an empty folder, or with `recursively` a folder and all that it holds.
  /// What can't be removed does not hold up the rest.
  ///
  /// - Throws: `RemovalError` where something of a folder could not be removed; otherwise as `list`.
  public nonisolated func remove(
    _ path: some PathRepresentable, recursively: Bool = false
  ) async throws {
    var request = FileRequest(.rm, path.pathText)
    guard recursively else {
      _ = try await perform(request)
      return
    }
    request.recursive = true
    let (failures, result) = try await perform(request) { (port) throws(FileError) in
      try RemovalFailures.receive(from: port)
    }
    if let first = failures.first {
      throw RemovalError(
        failures: failures, count: max(result.tree?.failed ?? 0, failures.count), first: first)
    }
    if result.result.isFailure { throw FileError(result) }
  }

  /// Renames `path` to `newPath`, atomically.
  ///
  /// - Parameter replacing: whether a file that is there is replaced.
  /// - Throws: as `list`.
  public nonisolated func move(
    _ path: some PathRepresentable, to newPath: some PathRepresentable, replacing: Bool = true
  ) async throws {
    var request = FileRequest(.mv, path.pathText)
    request.to = newPath.pathText
    request.ifExists = replacing ? nil : .fail
    _ = try await perform(request)
  }

  private nonisolated func perform(_ request: FileRequest) async throws -> CloseResult {
    try await perform(request) { (port) throws(FileError) in
      port.finish(.file)
      port.finish(.index)
    }.result
  }

  // MARK: Streams

  /// Opens a stream for `request`, has a worker's thread do `work` at its port, and waits for both.
  ///
  /// Canceling the task cancels both. Where both fail, what the server says goes before: the
  /// worker's failure follows from it.
  nonisolated func perform<Value: Sendable>(
    _ request: FileRequest, _ work: @escaping @Sendable (TransferPort) throws(FileError) -> Value
  ) async throws -> (value: Value, result: CloseResult) {
    guard request.operation == .put || request.operation == .putTree else {
      return try await performNow(request, work)
    }
    try await enterPut()
    let outcome: Result<(value: Value, result: CloseResult), any Error>
    do {
      outcome = .success(try await performNow(request, work))
    } catch {
      outcome = .failure(error)
    }
    await leavePut()
    return try outcome.get()
  }

  private nonisolated func performNow<Value: Sendable>(
    _ request: FileRequest, _ work: @escaping @Sendable (TransferPort) throws(FileError) -> Value
  ) async throws -> (value: Value, result: CloseResult) {
    let (stream, port) = try await openFileStream(request)
    return try await withTaskCancellationHandler {
      let outcome: Result<Value, FileError> = await withCheckedContinuation { continuation in
        do throws(FileError) {
          try fileWorkers.run {
            continuation.resume(returning: Result { () throws(FileError) in try work(port) })
          }
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
      return try await finishFileStream(stream, outcome)
    } onCancel: {
      loop.execute { self.assumeIsolated { $0.session.fileStream(stream)?.cancel() } }
    }
  }

  private func openFileStream(_ request: FileRequest) throws -> (StreamID, TransferPort) {
    let stream = try session.start(request)
    return (stream.stream, stream.pump.port)
  }

  private func finishFileStream<Value: Sendable>(
    _ stream: StreamID, _ outcome: Result<Value, FileError>
  ) async throws -> (value: Value, result: CloseResult) {
    defer { session.forget(stream) }
    guard let file = session.fileStream(stream) else {
      preconditionFailure("a file's stream is forgotten in the line above")
    }
    switch outcome {
    case .success(let value):
      let result = try await file.result()
      try Task.checkCancellation()
      // A tree that failed in parts has been told of by its records; its counts are the caller's.
      if result.result.isFailure && result.tree == nil { throw FileError(result) }
      return (value, result)
    case .failure(let error):
      if case .failure(let lost) = file.outcome { throw lost }
      if Task.isCancelled {
        _ = try? await file.result()
        throw CancellationError()
      }
      // The server is not to wait for more.
      file.cancel()
      let result = try await file.result()
      if error.code == .canceled || error.code == .remote, result.result.isFailure {
        throw FileError(result)
      }
      throw error
    }
  }
}

/// Where clients of this process work on files: apart from the workers of a server in the same
/// process, and without a limit but that of streams, since a server's worker waits for one here.
private let fileWorkers = WorkerPool(limit: .max)
