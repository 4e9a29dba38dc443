internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

extension TreeReceiver {
  /// Receives files whose bytes come complete and as announced, one for each digest.
  mutating func takeWhole(_ first: Int, _ digests: [String]) throws(FileError) {
    for (offset, digest) in digests.enumerated() {
      let (number, overflow) = first.addingReportingOverflow(offset)
      guard !overflow, let file = wanted[number] ?? refused[number]?.file else {
        throw FileError(.protocolError, "bytes arrived for a file that was not requested")
      }
      let end = FilePart.End.complete(FileCompletion(digest: digest))
      try takeFile(FilePart(number, data: file.entry.size, end: end))
    }
  }

  /// Handles a part of a file that is being sent, and receives the bytes that it announces.
  ///
  /// - Throws: `FileError` if the stream is over or the sender violates the protocol. A failure of
  ///   only this file is reported instead.
  mutating func takeFile(_ part: FilePart) throws(FileError) {
    var file = try takeIncoming(part)
    do throws(FileError) {
      try take(part, into: &file)
    } catch {
      incoming = file
      throw error
    }
    switch part.end {
    case .failed(let message, _):
      if file.partial != nil { fail(&file, FileError(.remote, message)) }
    case .complete(let completion):
      if let partial = file.partial { finish(&file, partial, completion) }
    case nil:
      incoming = file
      return
    }
    linkedFiles[file.path] = nil
    meter?.update { $0.files += 1 }
    if group.isFull { finishGroup() }
  }

  /// Returns the file that is being received, or begins it with its first part.
  private mutating func takeIncoming(_ part: FilePart) throws(FileError) -> IncomingFile {
    let number = part.number
    if let file = incoming, file.number == number {
      incoming = nil
      return file
    }
    // Files come in order, so those before this one come no more.
    if !refused.isEmpty { refused = refused.filter { $0.key >= number } }
    if incoming == nil, let (file, receipt) = refused.removeValue(forKey: number) {
      meter?.update { $0.begin(file.path) }
      return IncomingFile(
        number: number, path: file.path, entry: file.entry, state: .discarding(receipt),
        options.digest)
    }
    guard incoming == nil, let file = wanted.removeValue(forKey: number) else {
      throw FileError(.protocolError, "bytes arrived for file \(number), which was not requested")
    }
    meter?.update { $0.begin(file.path) }
    let state: IncomingFile.State
    if case .failed(let message, _) = part.end {
      state = .discarding(fail(number, file.path, FileError(.remote, message)))
      return IncomingFile(
        number: number, path: file.path, entry: file.entry, state: state, options.digest)
    }
    do throws(FileError) {
      let partial = try havingDescriptors { (receiver) throws(FileError) in
        try receiver.openPartial(file, part)
      }
      state = .storing(partial)
    } catch {
      // The failure also tells the sender to stop sending this file.
      state = .discarding(fail(number, file.path, error))
    }
    return IncomingFile(
      number: number, path: file.path, entry: file.entry, state: state, options.digest)
  }

  private mutating func take(
    _ part: FilePart, into file: inout IncomingFile
  ) throws(FileError) {
    if let start = part.start {
      guard start >= 0 else {
        throw FileError(.protocolError, "the start offset \(start) is negative")
      }
      store(&file) { (file) throws(FileError) in try file.begin(at: start) }
      if start == 0, file.position > 0 { meter?.update { $0.restartFile() } }
      file.position = start
      if file.partial != nil { meter?.update { $0.pass(start) } }
    }
    if let hole = part.hole {
      // Limit the hole to the announced size: a hole costs the sender a few bytes, and may take the
      // receiver hours to hash.
      guard hole >= 0, hole <= min(file.entry.size ?? 0, Self.longestFile) - file.position else {
        throw FileError(
          .protocolError,
          "a hole of \(hole) bytes at \(file.position) of '\(file.path)', which was announced with \(file.entry.size ?? 0)"
        )
      }
      file.position += hole
      meter?.update { $0.pass(hole) }
      try file.skip(hole) { () throws(FileError) in try port.checkOpen() }
    }
    guard var left = part.data else { return }
    guard left >= 0 else {
      throw FileError(.protocolError, "a record announces \(left) bytes of data")
    }
    while left > 0 {
      guard let chunk = try port.receive(.file, atMost: Int(left)) else {
        throw FileError(.protocolError, "fewer bytes arrived than the records announced")
      }
      left -= Int64(chunk.count)
      file.received += Int64(chunk.count)
      file.position += Int64(chunk.count)
      meter?.update { $0.move(Int64(chunk.count)) }
      store(&file) { (file) throws(FileError) in try file.write(chunk) }
    }
  }

  /// Performs a step of storing a file, unless the file has failed. Reports a failure of the step.
  private mutating func store(
    _ file: inout IncomingFile, _ step: (inout IncomingFile) throws(FileError) -> Void
  ) {
    do throws(FileError) { try step(&file) } catch { fail(&file, error) }
  }

  private mutating func fail(_ file: inout IncomingFile, _ error: FileError) {
    let receipt = fail(file.number, file.path, error)
    file.discard(error, receipt, options)
  }

  private mutating func openPartial(_ file: Wanted, _ part: FilePart) throws(FileError)
    -> Partial
  {
    let (folder, name, _) = try spot(of: file.path)
    // Small files are sent again instead of resumed.
    if file.isNew, file.entry.size ?? .max <= FileTransmission.smallFile {
      let mode = (file.entry.mode ?? 0o644) & FileMode.keptOfFiles
      if let partial = try Partial.openUnnamed(for: name, in: folder, mode: mode) {
        return partial
      }
    }
    return try Partial.open(for: name, in: folder, keeping: part.start ?? 0 > 0)
  }

  /// Verifies a completely received file and adds it to the group.
  private mutating func finish(
    _ file: inout IncomingFile, _ partial: Partial, _ completion: FileCompletion
  ) {
    do throws(FileError) {
      let path = file.path
      guard completion.digest == file.digest else { throw .mismatch(path, options.digest) }
      let mode = (completion.mode ?? file.entry.mode ?? 0o644) & FileMode.keptOfFiles
      let position = partial.position
      guard position == completion.size ?? file.entry.size ?? position else {
        throw FileError(.changed, "only a part of '\(path)' arrived", path: "\(path)")
      }
      try partial.finish(mode: mode, modifiedNS: completion.mtimeNS ?? file.entry.mtimeNS)
      let folder = try havingDescriptors { (receiver) throws(FileError) in
        try receiver.spot(of: path).folder
      }
      ledger.didMove(
        file.number, bytes: file.received, digest: completion.digest,
        size: partial.position, change: completion.change)
      group.add(file.number, partial, in: folder)
    } catch {
      fail(&file, error)
    }
  }

  /// The maximum file length: 1 EiB, so that sums of a few lengths can't overflow.
  private static let longestFile: Int64 = 1 << 60
}
