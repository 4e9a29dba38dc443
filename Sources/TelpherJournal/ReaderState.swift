internal import TelpherTransport

/// The files and the position of a `JournalReader`.
struct ReaderState {
  /// The part of a record that has not been read.
  private struct Rest {
    var channel: JournalChannel
    var time: Int64
    /// Its place in the memory.
    var payload: Range<Int>
  }

  /// Missing bytes that have not been reported.
  private struct Gap {
    var channel: JournalChannel
    var end: UInt64
    var reason: JournalGap
  }

  /// Whether something was found at the reader's place in the files.
  private enum Progress {
    case found
    case nothing
  }

  private(set) var position: JournalOffsets

  private let system: any JournalSystem
  private let folder: JournalFile
  private let index: JournalFile
  private let channels: [JournalChannel]
  private let memory = RecordMemory()
  private var segment: SegmentCursor?
  /// Whether nothing more is written to the segment.
  private var isComplete = false
  /// The segments up to this number have been read.
  private var lastNumber: UInt64?
  private var rest: Rest?
  private var gaps: [Gap] = []
  /// Whether something at the end of the last segment could not be read.
  private var sawDamage = false
  private var last: JournalEvent?

  init?(
    folder path: SystemString, channels: [JournalChannel], from start: JournalStart,
    _ system: any JournalSystem
  ) throws(ErrorNumber) {
    self.system = system
    self.channels = channels
    folder = JournalFile(try system.openFolder(path), system)
    index = JournalFile(
      try system.open(JournalIndex.name, in: folder.descriptor, .read), system)
    guard try JournalIndex.settings(index, system) != nil else { return nil }
    let numbers = try SegmentList.numbers(in: folder, system)
    switch start {
    case .offsets(let offsets): position = offsets
    case .lines(let count):
      var search = TailSearch(numbers: numbers, channels: channels, memory: memory, system)
      let state = try JournalIndex.state(index, system) ?? JournalState()
      position = try search.start(ofLast: count, in: folder, endingAtLeastAt: state.totals)
    }
    segment = try locate(among: numbers)
    lastNumber = segment?.number
    if let segment {
      noteMissing(before: segment.offsets, segment.number > 0 ? .dropped : nil)
    }
  }

  mutating func next(into target: UnsafeMutableRawBufferPointer) throws(ErrorNumber) -> JournalEvent
  {
    while true {
      if let gap = takeGap() { return gap }
      if let data = takeData(into: target) { return data }
      if let last { return last }
      if try advance(isFinal: false) == .found { continue }
      // Check first whether the writer still runs and what the index says about the end, and then
      // read records again: records written before that check are then certainly seen.
      let isLocked = try system.isLocked(index.descriptor)
      let state = try JournalIndex.state(index, system)
      if try advance(isFinal: !isLocked) == .found { continue }
      if let state {
        noteMissing(before: state.totals, sawDamage ? .damaged : state.lossReason)
        if !gaps.isEmpty { continue }
      }
      if state?.isFinished == true {
        last = .end
      } else if isLocked {
        return .waiting
      } else {
        last = .cut(isDamaged: sawDamage || state == nil)
      }
      segment = nil
    }
  }

  // MARK: Events

  private mutating func takeGap() -> JournalEvent? {
    guard !gaps.isEmpty else { return nil }
    let gap = gaps.removeFirst()
    let start = position[gap.channel]
    position[gap.channel] = gap.end
    return .gap(gap.channel, offset: start, bytes: gap.end - start, gap.reason)
  }

  private mutating func takeData(into target: UnsafeMutableRawBufferPointer) -> JournalEvent? {
    guard var current = rest else { return nil }
    let part = current.payload.prefix(target.count)
    UnsafeMutableRawBufferPointer(rebasing: target[..<part.count])
      .copyMemory(from: UnsafeRawBufferPointer(rebasing: memory.bytes[part]))
    let offset = position[current.channel]
    position[current.channel] += UInt64(part.count)
    current.payload = part.endIndex..<current.payload.upperBound
    rest = current.payload.isEmpty ? nil : current
    return .data(current.channel, offset: offset, count: part.count, time: current.time)
  }

  /// Records what is missing between the reader's position and `offsets`.
  ///
  /// - Parameter reason: nil for the one in the index.
  private mutating func noteMissing(before offsets: JournalOffsets, _ reason: JournalGap?) {
    for channel in channels where offsets[channel] > position[channel] {
      gaps.append(
        Gap(channel: channel, end: offsets[channel], reason: reason ?? lossReason))
    }
  }

  /// Why the journal lacks bytes that were not dropped. The writer has written this to the index
  /// before the records that follow them.
  private var lossReason: JournalGap {
    do throws(ErrorNumber) {
      return try JournalIndex.state(index, system)?.lossReason ?? .notWritten
    } catch {
      return .notWritten
    }
  }

  // MARK: Records

  /// Reads the next record or opens the next segment. `isFinal`: the writer has ended, so an
  /// incomplete record stays incomplete.
  private mutating func advance(isFinal: Bool) throws(ErrorNumber) -> Progress {
    guard segment != nil else { return try openNext(isFinal: isFinal) }
    guard let step = try segment?.next() else { preconditionFailure("there is a segment") }
    if step.isMaybeUnfinished, !isComplete {
      // If there is a newer segment, this one is complete. Read it once more: the writer may have
      // added to it since the last read.
      if try hasNewer(isFinal: isFinal) {
        isComplete = true
        return .found
      }
      if !isFinal { return .nothing }
    }
    switch step {
    case .record(let header, let payload):
      noteMissing(before: header.offsets, sawDamage ? .damaged : nil)
      sawDamage = false
      accept(header, payload)
      return .found
    case .damagedPayload(let header, let isLast):
      if isLast { segment?.stepOver(header) }
      noteMissing(before: header.offsets, sawDamage ? .damaged : nil)
      sawDamage = false
      noteDamage(header)
      return .found
    case .damagedHeader:
      sawDamage = true
      return try openNext(isFinal: isFinal)
    case .end, .incomplete:
      return try openNext(isFinal: isFinal)
    }
  }

  private mutating func accept(_ header: RecordHeader, _ payload: Range<Int>) {
    guard channels.contains(header.channel) else { return }
    let start = header.offsets[header.channel]
    let known = position[header.channel]
    guard known < start + UInt64(header.length) else { return }
    let skipped = known > start ? Int(known - start) : 0
    rest = Rest(
      channel: header.channel, time: header.time,
      payload: payload.lowerBound + skipped..<payload.upperBound)
  }

  private mutating func noteDamage(_ header: RecordHeader) {
    let end = header.offsets[header.channel] + UInt64(header.length)
    guard channels.contains(header.channel), end > position[header.channel] else { return }
    gaps.append(Gap(channel: header.channel, end: end, reason: .damaged))
  }

  // MARK: Segments

  /// Opens the segment after the last one that was read, if there is one.
  private mutating func openNext(isFinal: Bool) throws(ErrorNumber) -> Progress {
    for _ in 0..<JournalLimit.lookups {
      guard let number = try newerNumber() else { return .nothing }
      if let found = try open(number, isFinal: isFinal) { return found }
    }
    return .nothing
  }

  /// Whether there is a segment after the open one.
  private func hasNewer(isFinal: Bool) throws(ErrorNumber) -> Bool {
    guard let segment else { preconditionFailure("there is a segment") }
    do throws(ErrorNumber) {
      system.close(
        try system.open(Segment.name(segment.number + 1), in: folder.descriptor, .read))
      return true
    } catch {
      if error.value != ErrorNumber.noEntry { throw error }
    }
    // Segment n+1 does not exist. If this segment still has its name, nothing after it was dropped,
    // so no newer one exists; that check is faster than listing the folder.
    if !isFinal, try segment.hasName { return false }
    return try newerNumber() != nil
  }

  /// Opens this segment. Returns nil if it has been dropped, or is damaged and was skipped.
  private mutating func open(_ number: UInt64, isFinal: Bool) throws(ErrorNumber) -> Progress? {
    let opened: SegmentCursor?
    do throws(ErrorNumber) {
      opened = try SegmentCursor(number, in: folder, memory, system)
    } catch {
      if error.value == ErrorNumber.noEntry { return nil }
      throw error
    }
    guard let opened else {
      // The writer may be creating the last segment just now.
      if !isFinal, try SegmentList.numbers(in: folder, system).last == number { return .nothing }
      sawDamage = true
      lastNumber = number
      segment = nil
      return nil
    }
    let wasDropped = number != lastNumber.map { $0 + 1 } ?? 0
    noteMissing(
      before: opened.offsets, wasDropped ? .dropped : sawDamage ? .damaged : nil)
    sawDamage = false
    lastNumber = number
    segment = opened
    isComplete = false
    return .found
  }

  /// The number of the oldest segment that has not been read.
  private func newerNumber() throws(ErrorNumber) -> UInt64? {
    try SegmentList.numbers(in: folder, system).first { number in
      lastNumber.map { $0 < number } ?? true
    }
  }

  /// Opens the last segment that begins at or before the position, or else the first; nil if there is
  /// none. A segment's header says what was before it, so no other part of a file is read.
  private func locate(among numbers: [UInt64]) throws(ErrorNumber) -> SegmentCursor? {
    var found: UInt64?
    var low = 0
    var high = numbers.count
    while low < high {
      let middle = low + (high - low) / 2
      do throws(ErrorNumber) {
        let probe = try SegmentCursor(numbers[middle], in: folder, memory, system)
        if let probe, probe.offsets.isAtOrBefore(position, in: channels) {
          found = numbers[middle]
          low = middle + 1
        } else {
          high = middle
        }
      } catch {
        // It has been dropped, and so have those before it.
        if error.value != ErrorNumber.noEntry { throw error }
        low = middle + 1
      }
    }
    guard let found else { return nil }
    do throws(ErrorNumber) {
      return try SegmentCursor(found, in: folder, memory, system)
    } catch {
      if error.value == ErrorNumber.noEntry { return nil }
      throw error
    }
  }
}
