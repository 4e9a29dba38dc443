internal import TelpherTransport
internal import TelpherWire

/// Stores one file: the server's side of `put` (docs/PROTOCOL.md, "put"). The bytes go to a partial
/// beside the destination, and only what is whole, verified and on the disk gets the name.
struct FileReceiver {
  let port: TransferPort
  let place: FilePlace
  let request: FileRequest
  let options: TransferOptions

  init(port: TransferPort, place: FilePlace, request: FileRequest) {
    self.port = port
    self.place = place
    self.request = request
    options = TransferOptions(request)
  }

  /// What a file gets that comes without permission bits.
  private static let defaultMode: UInt32 = 0o644
  /// How long the digest may take behind the last byte, in nanoseconds: the client has it already.
  private static let digestTimeout: UInt64 = 60_000_000_000

  /// Stores it.
  ///
  /// - Throws: `FileError`; nothing is stored then.
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
        // Opened before the file has its name: after that nothing but the storage itself may fail.
        let names = try folder.readable()
        try partial.commit(replacing: options.existing.mayReplace)
        try folder.sync(names)
      } else {
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

  /// Takes the bytes in and compares their digest.
  private mutating func receive(into partial: Partial, _ path: RelativePath) throws(FileError)
    -> String
  {
    var hasher = FileHasher(options.digest)
    if options.resume {
      try hasher.update(partial, length: partial.kept)
      var word = ControlMessage()
      word.opened = ControlMessage.Opened(
        committed: partial.kept, prefixDigest: hasher.digest)
      port.send(word)
    }
    var isFirst = true
    while true {
      let chunk = try port.receive(.file)
      // Sent ahead of the first byte, so it is there with that, or with the end.
      if isFirst, port.polledWord(\.restart) == true {
        try partial.restart()
        hasher = FileHasher(options.digest)
      }
      isFirst = false
      guard let chunk else { break }
      if let size = request.size, Int64(chunk.count) > size - partial.position {
        throw FileError(
          .protocolError, "more than the \(size) bytes that were announced came for '\(path)'",
          path: "\(path)")
      }
      try chunk.withUnsafeBytes { (bytes) throws(FileError) in
        hasher.update(bytes)
        try partial.write(bytes)
      }
    }
    if let size = request.size, partial.position != size {
      throw FileError(
        .changed, "only \(partial.position) of the \(size) bytes of '\(path)' came",
        path: "\(path)")
    }
    guard let told = try port.word(until: monotonicNow() + Self.digestTimeout, \.digest) else {
      throw FileError(
        .protocolError, "no digest came behind the bytes of '\(path)'", path: "\(path)")
    }
    guard told.lowercased() == hasher.digest else {
      throw FileError.mismatch(path, options.digest)
    }
    return hasher.digest
  }
}

extension FileError {
  /// The bytes that arrived are not those that were sent.
  static func mismatch(_ path: RelativePath, _ algorithm: DigestAlgorithm) -> FileError {
    FileError(
      .digestMismatch,
      "what arrived of '\(path)' is not what was sent: its \(algorithm.rawValue) differs; try again",
      path: "\(path)")
  }

  /// Whether a later transfer can go on with the bytes that have arrived. A lost connection leaves
  /// them; other faults (a full disk) only where the client said that it would come back for them.
  func leavesResumable(_ options: TransferOptions, _ partial: Partial) -> Bool {
    guard partial.position > 0 else { return false }
    switch code {
    case .lost, .canceled: return true
    case .digestMismatch, .protocolError, .changed, .exists: return false
    default: return options.resume
    }
  }
}
