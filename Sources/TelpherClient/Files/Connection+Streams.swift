internal import Glibc
public import TelpherFiles
internal import TelpherTransport
public import TelpherWire

extension Connection {
  /// Stores what is read from an open descriptor as one file: a pipe, a terminal, or whatever else has an
  /// end. Nothing has the file's name before all of it is there and verified.
  ///
  /// - Parameters:
  ///   - descriptor: stays the caller's, and is to be open until this returns.
  ///   - name: what failures call the descriptor.
  ///   - path: on the server: the name of the file.
  ///   - mode: the permission bits.
  /// - Returns: what became of the file, with its digest.
  /// - Throws: as `put`; `FileError` (`notAFile`) if `path` is a folder.
  public nonisolated func put(
    from descriptor: Int32, named name: String, to path: PathText, mode: UInt32 = 0o644,
    options: TransferOptions = TransferOptions()
  ) async throws -> FileReport {
    guard path.bytes.last != UInt8(ascii: "/") else {
      throw FileError(.notAFile, "'\(path)' names a folder, and no file", path: "\(path)")
    }
    var request = FileRequest(.put, path, options)
    (request.resume, request.mode) = (nil, mode)
    let (sent, result) = try await perform(request) { (port) throws(FileError) in
      try StreamFile(descriptor, name: name).send(on: port, digest: options.digest)
    }
    if result.result == .skipped {
      return FileReport(path, .skipped(.exists), options.digest)
    }
    guard result.digest == sent.digest else {
      throw FileError(
        .digestMismatch, "the server stored other bytes of '\(path)' than were sent",
        path: "\(path)")
    }
    return FileReport(path, .stored, options.digest, size: sent.count, digest: sent.digest)
  }

  /// Writes one file of the server to an open descriptor, as its bytes come. Only the end tells whether
  /// they are right: until this returns, what was written is not verified.
  ///
  /// - Parameters:
  ///   - path: on the server.
  ///   - descriptor: stays the caller's, and is to be open until this returns.
  ///   - name: what failures call the descriptor.
  /// - Returns: what became of the file, with its digest.
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
        .digestMismatch, "what arrived of '\(path)' is not what was sent", path: "\(path)")
    }
    return FileReport(
      path, .stored, options.digest, size: received.count, digest: received.digest)
  }
}
