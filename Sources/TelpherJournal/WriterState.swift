internal import TelpherTransport

/// The files and counts of a `JournalWriter`.
struct WriterState {
  /// A segment that is complete.
  private struct Sealed {
    var number: UInt64
    var bytes: UInt64
    /// The bytes of each output before it.
    var offsets: JournalOffsets
  }

  /// The segment that is written.
  private struct Open {
    let number: UInt64
    let file: JournalFile
    let offsets: JournalOffsets
    var bytes: UInt64
  }

  /// Whether there is a segment to write to.
  private enum Room {
    case available
    case full
    case failed(Int32)
  }

  /// The state for the index: as it is on disk, or as the next successful write will make it.
  private(set) var index = JournalState()

  private let system: any JournalSystem
  private let settings: JournalSettings
  private let name: [UInt8]
  private let folder: JournalFile
  /// Nil after the end.
  private var indexFile: JournalFile?
  private let budget: JournalBudget?
  private let slot: Int
  /// What the budget lets the journal use.
  private var granted: UInt64
  private var sealed: [Sealed] = []
  private var current: Open?
  private var nextNumber: UInt64 = 0
  /// Before these offsets everything has reached its reader (`block`).
  private var released = JournalOffsets.zero
  private var indexIsStale = false

  init(
    folder path: SystemString, name: [UInt8], settings: JournalSettings, budget: JournalBudget?,
    system: any JournalSystem
  ) throws(JournalError) {
    self.system = system
    self.settings = settings
    self.name = name
    self.budget = budget
    granted = budget == nil ? .max : settings.reservedBytes
    var isNew = false
    let index: JournalFile
    do throws(ErrorNumber) {
      isNew = try system.createFolder(path)
      folder = JournalFile(try system.openFolder(path), system)
      index = JournalFile(
        try system.open(JournalIndex.name, in: folder.descriptor, .create), system)
    } catch {
      if isNew { do throws(ErrorNumber) { try system.removeFolder(path) } catch {} }
      if error.value == ErrorNumber.exists {
        throw JournalError(.exists, "'\(path)' contains a journal already")
      }
      throw JournalError(error, "create a journal in '\(path)'")
    }
    do throws(JournalError) {
      slot = try budget?.claim(name, bytes: settings.reservedBytes) ?? 0
    } catch {
      Self.undo(path, isNew: isNew, folder: folder, system)
      throw error
    }
    do throws(ErrorNumber) {
      guard try system.lock(index.descriptor) else {
        preconditionFailure("only this writer knows the new file")
      }
      try JournalIndex.write(settings, created: system.now(), to: index)
    } catch {
      Self.undo(path, isNew: isNew, folder: folder, system)
      do throws(ErrorNumber) { try budget?.release(name) } catch {}
      throw JournalError(error, "create a journal in '\(path)'")
    }
    indexFile = index
  }

  /// Removes the index and, if it is new, the folder. What can't be removed is an empty journal
  /// without a writer.
  private static func undo(
    _ path: SystemString, isNew: Bool, folder: JournalFile, _ system: any JournalSystem
  ) {
    do throws(ErrorNumber) {
      try system.remove(JournalIndex.name, in: folder.descriptor)
      if isNew { try system.removeFolder(path) }
    } catch {}
  }

  // MARK: Appending

  mutating func append(
    _ bytes: UnsafeRawBufferPointer, to channel: JournalChannel, time: Int64?
  ) -> JournalAppend {
    precondition(!index.isFinished, "nothing is appended after the end")
    let time = time ?? system.now()
    var rest = bytes
    var outcome = JournalAppend.written
    loop: while !rest.isEmpty {
      switch roomForRecord(of: rest.count) {
      case .available: break
      case .full:
        outcome = .full(taken: bytes.count - rest.count)
        break loop
      case .failed(let error):
        lose(rest.count, of: channel)
        outcome = .lost(error)
        break loop
      }
      let record = UnsafeRawBufferPointer(rebasing: rest.prefix(recordCapacity))
      do throws(ErrorNumber) {
        try write(record, to: channel, time: time)
        index.totals[channel] += UInt64(record.count)
      } catch {
        lose(record.count, of: channel)
        outcome = .lost(error.value)
      }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(record.count))
    }
    updateIndex()
    return outcome
  }

  mutating func skip(_ count: Int, of channel: JournalChannel) {
    precondition(!index.isFinished, "nothing is skipped after the end")
    if index.lost == .zero { index.isOnlyDiscarded = true }
    self.count(count, asLostOf: channel)
    updateIndex()
  }

  private mutating func lose(_ count: Int, of channel: JournalChannel) {
    index.isOnlyDiscarded = false
    self.count(count, asLostOf: channel)
  }

  private mutating func count(_ count: Int, asLostOf channel: JournalChannel) {
    index.totals[channel] += UInt64(count)
    index.lost[channel] += UInt64(count)
    indexIsStale = true
  }

  /// Writes the index after a loss. If that fails, the next append tries again.
  private mutating func updateIndex() {
    guard indexIsStale, let indexFile else { return }
    do throws(ErrorNumber) {
      try JournalIndex.write(index, to: indexFile)
      indexIsStale = false
    } catch {}
  }

  /// The payload that the current segment has room for, at most a whole record.
  private var recordCapacity: Int {
    let used = current?.bytes ?? UInt64(settings.segmentBytes)
    return min(
      JournalLimit.recordBytes, settings.segmentBytes - Int(used) - RecordHeader.size)
  }

  private mutating func roomForRecord(of count: Int) -> Room {
    if current != nil, recordCapacity >= min(count, JournalLimit.leastRoom) { return .available }
    return openSegment()
  }

  private mutating func write(
    _ bytes: UnsafeRawBufferPointer, to channel: JournalChannel, time: Int64
  ) throws(ErrorNumber) {
    guard let segment = current else { preconditionFailure("there is room in a segment") }
    let header = RecordHeader(
      channel: channel, length: bytes.count, time: time, offsets: index.totals,
      payloadChecksum: Layout.checksum(bytes))
    let failure: ErrorNumber? = withUnsafeTemporaryAllocation(
      byteCount: RecordHeader.size, alignment: 8
    ) { memory in
      header.encode(into: memory)
      do throws(ErrorNumber) {
        try write(UnsafeRawBufferPointer(memory), bytes, to: segment.file, at: segment.bytes)
        return nil
      } catch { return error }
    }
    guard let failure else {
      current?.bytes += UInt64(RecordHeader.size + bytes.count)
      return
    }
    do throws(ErrorNumber) {
      // A part of the record may be there.
      try system.truncate(segment.file.descriptor, to: segment.bytes)
    } catch {
      // It stays, and the next record goes to the next segment.
      current = nil
      sealed.append(
        Sealed(
          number: segment.number,
          bytes: segment.bytes + UInt64(RecordHeader.size + bytes.count),
          offsets: segment.offsets))
    }
    throw failure
  }

  private func write(
    _ header: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer,
    to file: JournalFile, at offset: UInt64
  ) throws(ErrorNumber) {
    var done = 0
    while done < header.count + payload.count {
      let first = UnsafeRawBufferPointer(rebasing: header.dropFirst(done))
      let second = UnsafeRawBufferPointer(rebasing: payload.dropFirst(max(0, done - header.count)))
      done +=
        first.isEmpty
        ? try system.write(
          file.descriptor, second, .init(start: nil, count: 0), at: offset + UInt64(done))
        : try system.write(file.descriptor, first, second, at: offset + UInt64(done))
    }
  }

  // MARK: Segments

  /// Starts the next segment after it has made room for it.
  private mutating func openSegment() -> Room {
    seal()
    do throws(ErrorNumber) {
      while !mayOpenSegment() {
        guard try dropOldest() else { return .full }
      }
      try createSegment()
      return .available
    } catch {
      return .failed(error.value)
    }
  }

  private mutating func seal() {
    guard let segment = current else { return }
    sealed.append(Sealed(number: segment.number, bytes: segment.bytes, offsets: segment.offsets))
    current = nil
  }

  /// The bytes that the journal uses if its next segment is full.
  private var bytesWithNextSegment: UInt64 {
    sealed.reduce(UInt64(JournalIndex.size + settings.segmentBytes)) { $0 + $1.bytes }
  }

  private mutating func mayOpenSegment() -> Bool {
    let bytes = bytesWithNextSegment
    guard bytes <= settings.bytes else { return false }
    if bytes <= granted { return true }
    guard let budget, budget.grow(slot, name, from: granted, to: bytes) else { return false }
    granted = bytes
    return true
  }

  /// Removes the oldest segment; false if the journal keeps it until its reader has it (`block`).
  private mutating func dropOldest() throws(ErrorNumber) -> Bool {
    guard let oldest = sealed.first else {
      preconditionFailure("there is always room for one segment")
    }
    if settings.whenFull == .block, !isReleased(0) { return false }
    do throws(ErrorNumber) {
      try system.remove(Segment.name(oldest.number), in: folder.descriptor)
    } catch {
      // Somebody has removed it.
      if error.value != ErrorNumber.noEntry { throw error }
    }
    sealed.removeFirst()
    return true
  }

  private mutating func createSegment() throws(ErrorNumber) {
    let name = Segment.name(nextNumber)
    let descriptor: Int32
    do throws(ErrorNumber) {
      descriptor = try system.open(name, in: folder.descriptor, .create)
    } catch {
      // Something that is not ours has the name: leave it, and use the next one.
      if error.value == ErrorNumber.exists { nextNumber += 1 }
      throw error
    }
    let file = JournalFile(descriptor, system)
    let failure: ErrorNumber? = withUnsafeTemporaryAllocation(
      byteCount: Segment.headerSize, alignment: 8
    ) { memory in
      Segment.encode(number: nextNumber, offsets: index.totals, into: memory)
      do throws(ErrorNumber) {
        try file.overwrite(UnsafeRawBufferPointer(memory), at: 0)
        return nil
      } catch { return error }
    }
    if let failure {
      do throws(ErrorNumber) {
        try system.remove(name, in: folder.descriptor)
      } catch {
        // Readers skip it.
        sealed.append(
          Sealed(number: nextNumber, bytes: UInt64(Segment.headerSize), offsets: index.totals))
        nextNumber += 1
      }
      throw failure
    }
    current = Open(
      number: nextNumber, file: file, offsets: index.totals, bytes: UInt64(Segment.headerSize))
    nextNumber += 1
  }

  // MARK: Releasing and finishing

  mutating func release(before offsets: JournalOffsets) -> Bool {
    guard settings.whenFull == .block else { return false }
    for channel in JournalChannel.allCases {
      released[channel] = max(released[channel], min(offsets[channel], index.totals[channel]))
    }
    var removed = false
    do throws(ErrorNumber) {
      while !sealed.isEmpty, isReleased(0), try dropOldest() { removed = true }
    } catch {
      // It stays until the next call.
    }
    if removed, let budget, !index.isFinished {
      granted = max(settings.reservedBytes, bytesWithNextSegment)
      budget.set(slot, name, to: granted)
    }
    return removed
  }

  /// Whether everything before the end of the sealed segment at `position` has been released.
  private func isReleased(_ position: Int) -> Bool {
    let end =
      if position + 1 < sealed.count {
        sealed[position + 1].offsets
      } else {
        current?.offsets ?? index.totals
      }
    return end.isAtOrBefore(released, in: JournalChannel.allCases)
  }

  mutating func finish() throws(JournalError) {
    guard let indexFile else { preconditionFailure("a journal is finished once") }
    var last = index
    last.isFinished = true
    do throws(ErrorNumber) {
      try JournalIndex.write(last, to: indexFile)
    } catch {
      throw JournalError(error, "record the end of the journal")
    }
    index = last
    self.indexFile = nil
    seal()
    budget?.set(slot, name, to: sealed.reduce(UInt64(JournalIndex.size)) { $0 + $1.bytes })
  }
}
