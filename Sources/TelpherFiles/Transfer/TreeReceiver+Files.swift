internal import TelpherTransport
internal import TelpherWire

extension TreeReceiver {
  /// Files that come whole and as announced.
  mutating func takeWhole(_ first: Int, _ digests: [String]) throws(FileError) {
    for (offset, digest) in digests.enumerated() {
      let (number, overflow) = first.addingReportingOverflow(offset)
      guard !overflow, let file = wanted[number] else {
        throw FileError(.protocolError, "bytes came for a file that was not asked for")
      }
      var record = TreeRecord(file: number)
      (record.data, record.digest) = (file.entry.size, digest)
      try takeFile(number, record)
    }
  }

  mutating func takeFile(_ number: Int, _ record: TreeRecord) throws(FileError) {
    if incoming?.number != number {
      guard incoming == nil, let file = wanted[number] else {
        throw FileError(.protocolError, "bytes came for file \(number), which was not asked for")
      }
      var started = IncomingFile(
        number: number, path: file.path, entry: file.entry, hasher: FileHasher(options.digest))
      meter?.update { $0.begin(file.path) }
      do throws(FileError) {
        started.partial = try openPartial(file, record)
      } catch {
        started.fault = error
      }
      incoming = started
    }
    guard var file = incoming else { preconditionFailure("it was set in the lines above") }
    incoming = nil
    do throws(FileError) {
      let before = file.fault == nil
      try file.take(record, &input, meter)
      if before, let fault = file.fault {
        file.discard(options)
        // The sender need not go on with it.
        fail("\(file.path)", fault.message, number: number, path: file.path)
      }
    } catch {
      incoming = file
      throw error
    }
    if let message = record.failed {
      if file.fault == nil {
        file.fault = FileError(.remote, message)
        file.discard(options)
        fail("\(file.path)", message, tells: false)
      }
    } else if let digest = record.digest {
      finish(&file, record, digest)
    } else {
      incoming = file
      return
    }
    wanted[number] = nil
    meter?.update { $0.files += 1 }
    if group.isFull { try finishGroup() }
  }

  mutating func openPartial(_ file: Wanted, _ record: TreeRecord) throws(FileError)
    -> Partial
  {
    let folder = try parent(of: file.path).folder
    // What is small is sent again rather than taken up.
    if file.isNew, file.entry.size ?? .max <= TreeSender.smallFile {
      let mode = (file.entry.mode ?? 0o644) & FileMode.keptOfFiles
      if let partial = try Partial.openUnnamed(for: file.path.name, in: folder, mode: mode) {
        return partial
      }
    }
    return try Partial.open(for: file.path.name, in: folder, keeping: record.start ?? 0 > 0)
  }

  /// All bytes of a file have come.
  mutating func finish(_ file: inout IncomingFile, _ record: TreeRecord, _ digest: String) {
    guard file.fault == nil, let partial = file.partial else { return }
    do throws(FileError) {
      guard digest == file.hasher.digest else { throw .mismatch(file.path, options.digest) }
      let mode = (record.mode ?? file.entry.mode ?? 0o644) & FileMode.keptOfFiles
      guard partial.position == record.size ?? file.entry.size else {
        throw FileError(.changed, "only a part of '\(file.path)' came", path: "\(file.path)")
      }
      try partial.finish(mode: mode, modifiedNS: record.mtimeNS ?? file.entry.mtimeNS)
      group.add(partial, file.path, try parent(of: file.path).folder)
      counts.bytes += file.received
    } catch {
      file.fault = error
      file.discard(options)
      fail("\(file.path)", error.message, number: file.number, path: file.path)
    }
  }
}
