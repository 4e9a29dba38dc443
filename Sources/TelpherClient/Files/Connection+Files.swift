internal import TelpherFileStore
internal import TelpherTransfer
internal import TelpherTransport
internal import TelpherWire

extension Connection {
  // MARK: Small requests

  /// Lists the entries of a folder on the server, sorted by name. The list for a file is the file
  /// itself.
  ///
  /// - Parameters:
  ///   - path: a path on the server. A relative path starts in the home of the server's user, or in
  ///     the server's root (see docs/PROTOCOL.md, "Paths"). An empty path is that folder itself.
  ///   - recursively: whether to list the folders below too; their entries follow them.
  /// - Throws: `FileError`; `ClientError` if the connection fails; `CancellationError`.
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

  /// Returns the entry at `path` on the server.
  ///
  /// - Parameter followsLink: whether to follow a symbolic link at the end of the path.
  /// - Throws: `FileError`, with `errno` ENOENT if there is no entry; otherwise as `list`.
  public nonisolated func status(
    of path: some PathRepresentable, followsLink: Bool = false
  ) async throws -> FileEntry {
    var request = FileRequest(.stat, path.pathText)
    request.follow = followsLink ? true : nil
    return try await status(request).entry
  }

  /// Returns the entry at `path`, following links, and for a folder the folders that contain it.
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
      throw ClientError(.protocolError, "the server sent no information about the file")
    }
    return (entry, result)
  }

  /// Creates a folder on the server.
  ///
  /// - Parameters:
  ///   - mode: the permission bits.
  ///   - withParents: whether to create missing parents too; then it is no error if the folder
  ///     exists.
  /// - Throws: as `list`.
  public nonisolated func makeFolder(
    _ path: some PathRepresentable, mode: UInt32 = 0o755, withParents: Bool = false
  ) async throws {
    var request = FileRequest(.mkdir, path.pathText)
    request.mode = mode
    request.parents = withParents ? true : nil
    _ = try await perform(request)
  }

  /// Removes a file, a link or an empty folder on the server.
  ///
  /// - Parameter recursively: whether to remove a folder with all its contents. If some entries
  ///   can't be removed, the others are removed all the same.
  /// - Throws: `RemovalError` if some contents of a folder could not be removed; otherwise as
  ///   `list`.
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

  /// Renames `path` to `newPath` on the server, atomically.
  ///
  /// - Parameter replacing: whether to replace an existing file at `newPath`; if false, that is an
  ///   error.
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

  /// Opens a stream for `request`, runs `work` on a worker thread at the stream's port, and waits
  /// for both to finish.
  ///
  /// Canceling the task cancels both. If both fail, throws the server's error, because it caused
  /// the failure of the worker.
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
      preconditionFailure("only the defer above forgets a file stream")
    }
    switch outcome {
    case .success(let value):
      let result = try await file.result()
      try Task.checkCancellation()
      // If entries of a tree failed, its records have reported them, and the caller checks the
      // counts.
      if result.result.isFailure && result.tree == nil { throw FileError(result) }
      return (value, result)
    case .failure(let error):
      if case .failure(let lost) = file.outcome { throw lost }
      if Task.isCancelled {
        _ = try? await file.result()
        throw CancellationError()
      }
      if error.code == .tooLarge || error.code == .protocolError {
        file.reset()
        throw error
      }
      // Tell the server to stop waiting for data.
      file.cancel()
      let result = try await file.result()
      if error.code == .canceled || error.code == .remote, result.result.isFailure {
        throw FileError(result)
      }
      throw error
    }
  }
}

/// The threads for file requests of all clients in this process. They are separate from those of a
/// server in the same process, and only the number of streams limits them: a server's worker waits
/// for one of these threads, so none of them may have to wait in a queue.
private let fileWorkers = WorkerPool(limit: .max)
