internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

/// Receives one file: the server's side of `put` (docs/PROTOCOL.md, "put"). The bytes go to a
/// partial file in the destination's folder. It is renamed to the destination after it is complete,
/// verified and, if `sync` is set, on the disk.
struct FileReceiver {
  let port: TransferPort
  let place: FilePlace
  let request: FileRequest
  let options: TransferOptions
  /// Records the path before it is written.
  let record: WriteRecorder?

  init(port: TransferPort, place: FilePlace, request: FileRequest, record: WriteRecorder? = nil) {
    self.record = record
    self.port = port
    self.place = place
    self.request = request
    options = TransferOptions(request)
  }

  /// The mode of a file that comes without one.
  private static let defaultMode: UInt32 = 0o644
  /// The maximum time from the last byte to the digest, in nanoseconds. The client computes the
  /// digest while it sends, so it needs no time for it.
  private static let digestTimeout: UInt64 = 60_000_000_000

  /// Receives and stores the file. Blocks; for a worker's thread.
  ///
  /// - Throws: `FileError`. The destination is then unchanged, unless only the final fsync(2) of
  ///   its folder failed.
  mutating func run() throws(FileError) -> CloseResult {
    port.finish(.file)
    port.finish(.index)
    let path = place.path
    var folder = try place.parentOfFile("store")
    var name = path.name
    if let status = try folder.status(of: name) {
      switch options.existing {
      case .fail: throw FileError(.exists, "'\(path)' exists already", path: "\(path)")
      case .skip: return CloseResult(.skipped, message: "'\(path)' exists already")
      case .newer:
        if let time = request.mtimeNS, status.modifiedNS >= time {
          return CloseResult(.skipped, message: "'\(path)' is not older")
        }
      case .changed:
        if status.kind == .file, status.size == request.size, status.modifiedNS == request.mtimeNS {
          return CloseResult(.skipped, message: "'\(path)' has that size and time already")
        }
      case .replace: break
      }
      if status.kind == .link {
        (folder, name) = try place.root.fileLinked(at: path)
      } else {
        try status.checkReplaceable(path)
      }
    }
    let partial = try Partial.open(
      for: name, in: folder, keeping: options.resume, waits: options.resume)
    do throws(FileError) {
      let digest = try receive(into: partial, path)
      try partial.finish(
        mode: (request.mode ?? Self.defaultMode) & FileMode.keptOfFiles, modifiedNS: request.mtimeNS
      )
      if options.sync {
        try partial.sync()
        // Open the folder before the rename, so that afterwards only the storage can fail.
        let names = try folder.readable()
        try record?([partial.absolutePath])
        try partial.commit(replacing: options.existing.mayReplace)
        try folder.sync(names)
      } else {
        try record?([partial.absolutePath])
        try partial.commit(replacing: options.existing.mayReplace)
      }
      var result = CloseResult(.stored)
      result.digest = digest
      result.bytes = ["\(Channel.file.rawValue)": UInt64(partial.position)]
      return result
    } catch {
      if !error.leavesResumable(options, partial) { partial.discard() }
      throw error
    }
  }

  /// Receives the bytes into `partial` and checks their digest. Returns the digest.
  private mutating func receive(into partial: Partial, _ path: RelativePath) throws(FileError)
    -> String
  {
    var hasher = FileHasher(options.digest)
    if options.resume {
      try hasher.update(partial, length: partial.kept)
      port.send(.opened(.put(committed: partial.kept, prefixDigest: hasher.digest)))
    }
    var isFirst = true
    while true {
      let chunk = try port.receive(.file)
      // The client sends it before the first byte, so it has arrived by then.
      if isFirst, port.hasReceived(.restart) {
        try partial.restart()
        hasher = FileHasher(options.digest)
      }
      isFirst = false
      guard let chunk else { break }
      if let size = request.size, Int64(chunk.count) > size - partial.position {
        throw FileError(
          .protocolError, "more than the announced \(size) bytes arrived for '\(path)'",
          path: "\(path)")
      }
      try chunk.withUnsafeBytes { (bytes) throws(FileError) in
        hasher.update(bytes)
        try partial.write(bytes)
      }
    }
    if let size = request.size, partial.position != size {
      throw FileError(
        .changed, "only \(partial.position) of the \(size) bytes of '\(path)' arrived",
        path: "\(path)")
    }
    let sent = try port.message(until: monotonicNow() + Self.digestTimeout) { message in
      if case .digest(let digest) = message { digest } else { nil }
    }
    guard let sent else {
      throw FileError(
        .protocolError, "no digest arrived after the bytes of '\(path)'", path: "\(path)")
    }
    guard sent.lowercased() == hasher.digest else {
      throw FileError.mismatch(path, options.digest)
    }
    return hasher.digest
  }
}

extension FileError {
  /// The received bytes do not have the sender's digest.
  static func mismatch(_ path: RelativePath, _ algorithm: DigestAlgorithm) -> FileError {
    FileError(
      .digestMismatch,
      "the received bytes of '\(path)' do not match the sender's \(algorithm.rawValue); try again",
      path: "\(path)")
  }

  /// Whether the received bytes should be kept for a later transfer to resume. They are kept after
  /// a lost connection or a cancellation. After other errors, such as a full disk, they are kept
  /// only if the client set `resume`.
  func leavesResumable(_ options: TransferOptions, _ partial: Partial) -> Bool {
    guard partial.position > 0 else { return false }
    switch code {
    case .lost, .canceled: return true
    case .digestMismatch, .protocolError, .changed, .exists: return false
    default: return options.resume
    }
  }
}
