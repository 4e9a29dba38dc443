internal import Glibc
internal import TelpherFileStore
public import TelpherTransfer
internal import TelpherTransport
public import TelpherWire

extension Connection {
  /// Reads an open descriptor (a pipe, a terminal, a file) to its end and stores the bytes as one
  /// file on the server. The file gets its name only after all bytes are stored and verified.
  ///
  /// - Parameters:
  ///   - descriptor: the caller owns it and keeps it open until this method returns.
  ///   - name: the name of the descriptor in error messages.
  ///   - path: the path of the file on the server.
  ///   - mode: the permission bits.
  /// - Returns: the outcome for the file, with its digest.
  ///   - options: with `makesParents`, missing parent folders are made first.
  /// - Throws: as `put`; `FileError` (`notAFile`) if `path` is a folder.
  public nonisolated func put(
    from descriptor: Int32, named name: String, to path: PathText, mode: UInt32 = 0o644,
    options: TransferOptions = TransferOptions()
  ) async throws -> FileReport {
    guard path.bytes.last != UInt8(ascii: "/") else {
      throw FileError(.notAFile, "'\(path)' names a folder, not a file", path: "\(path)")
    }
    let parent = path.bytes.dropLast(LocalPlace.lastPart(of: path.bytes).count)
    if options.makesParents, !parent.isEmpty {
      try await makeFolder(PathText(Array(parent)), mode: 0o777, withParents: true)
    }
    var request = FileRequest(.put, path, options)
    (request.resume, request.mode) = (nil, mode)
    let (sent, result): ((digest: String, count: Int64), CloseResult)
    do {
      (sent, result) = try await perform(request) { (port) throws(FileError) in
        try StreamFile(descriptor, name: name).send(on: port, digest: options.digest)
      }
    } catch let error as FileError where error.errno == ENOENT {
      throw FileError(.noParent, error.message, errno: ENOENT, path: error.path)
    }
    if result.result == .skipped {
      return FileReport(path, .skipped(.exists), options.digest)
    }
    guard result.digest == sent.digest else {
      throw FileError(
        .digestMismatch, "the server stored other bytes for '\(path)' than were sent",
        path: "\(path)")
    }
    return FileReport(path, .stored, options.digest, size: sent.count, digest: sent.digest)
  }

  /// Writes the bytes of one file on the server to an open descriptor, as they arrive. The bytes
  /// are verified only at the end: until this method returns, the written bytes are not verified.
  ///
  /// - Parameters:
  ///   - path: the path of the file on the server.
  ///   - descriptor: the caller owns it and keeps it open until this method returns.
  ///   - name: the name of the descriptor in error messages.
  /// - Returns: the outcome for the file, with its digest.
  /// - Throws: as `get`.
  public nonisolated func get(
    _ path: PathText, into descriptor: Int32, named name: String,
    options: TransferOptions = TransferOptions()
  ) async throws -> FileReport {
    let request = FileRequest(.get, path, options)
    let (received, result) = try await perform(request) { (port) throws(FileError) in
      try StreamFile(descriptor, name: name).receive(from: port, digest: options.digest)
    }
    guard result.digest == received.digest else {
      throw FileError(
        .digestMismatch, "the bytes of '\(path)' that arrived differ from those that were sent",
        path: "\(path)")
    }
    return FileReport(
      path, .stored, options.digest, size: received.count, digest: received.digest)
  }
}
