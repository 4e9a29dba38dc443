internal import Glibc
internal import TelpherTransport

/// Finds where the last lines of a journal begin.
///
/// It counts the ends of lines in one segment after the other, from the newest back, until there are
/// enough, and then reads one segment of each output again to find the place. So it needs little
/// memory, however long the lines are and however many.
struct TailSearch {
  /// A segment whose ends of lines were counted.
  private struct Counted {
    var number: UInt64
    /// Where the count stopped in the file.
    var limit: UInt64
    var offsets: JournalOffsets
    /// The ends of lines of each output.
    var ends: JournalOffsets
  }

  private let channels: [JournalChannel]
  private let memory: RecordMemory
  private let system: any JournalSystem
  /// The segments that were not counted yet.
  private var numbers: [UInt64]
  /// The others, the newest first.
  private var counted: [Counted] = []
  /// For each output: the offset after the last byte found so far. `endsInLine` has the outputs
  /// whose last byte is not a newline.
  private var lastOffsets = JournalOffsets.zero
  private var endsInLine: Set<JournalChannel> = []
  private var found: Set<JournalChannel> = []

  init(
    numbers: [UInt64], channels: [JournalChannel], memory: RecordMemory,
    _ system: any JournalSystem
  ) {
    self.numbers = numbers
    self.channels = channels
    self.memory = memory
    self.system = system
  }

  /// The offsets at which the last `count` lines begin. With 0 the ends of the outputs, which are at
  /// least at `totals`.
  mutating func start(
    ofLast count: Int, in folder: JournalFile, endingAtLeastAt totals: JournalOffsets
  ) throws(ErrorNumber) -> JournalOffsets {
    let first =
      try SegmentCursor.first(among: numbers, in: folder, memory, system) ?? .zero
    guard let lines = try lastLines(max(count, 0), in: folder) else { return first }
    var start = first
    for channel in channels {
      let place = try startOfLast(lines[channel], of: channel, after: first, in: folder)
      start[channel] = count > 0 ? place : max(place, totals[channel])
    }
    return start
  }

  /// How many of the last `count` lines belong to each output; nil if there are fewer.
  private mutating func lastLines(_ count: Int, in folder: JournalFile)
    throws(ErrorNumber) -> JournalOffsets?
  {
    var lines = JournalOffsets.zero
    var missing = UInt64(count)
    var position = 0
    while missing > 0 {
      guard let segment = try segment(position, in: folder) else { return nil }
      let ends = channels.reduce(0) { $0 + segment.ends[$1] }
      if ends <= missing {
        for channel in channels { lines[channel] += segment.ends[channel] }
      } else {
        var skipped = ends - missing
        try forEachEnd(in: segment, folder) { channel, _ in
          guard skipped == 0 else {
            skipped -= 1
            return true
          }
          lines[channel] += 1
          return true
        }
      }
      missing -= min(ends, missing)
      position += 1
    }
    return lines
  }

  /// Where the last `count` lines of one output begin.
  private mutating func startOfLast(
    _ count: UInt64, of channel: JournalChannel, after first: JournalOffsets,
    in folder: JournalFile
  ) throws(ErrorNumber) -> UInt64 {
    // They begin after the end of the line before them.
    var missing = count + 1
    var position = 0
    while let segment = try segment(position, in: folder) {
      let ends = segment.ends[channel]
      if ends >= missing {
        var skipped = ends - missing
        var start = first[channel]
        try forEachEnd(in: segment, folder) { endChannel, offset in
          guard endChannel == channel else { return true }
          guard skipped == 0 else {
            skipped -= 1
            return true
          }
          start = offset
          return false
        }
        return start
      }
      missing -= ends
      if segment.offsets[channel] <= first[channel] { break }
      position += 1
    }
    return first[channel]
  }

  /// The segment at this position from the end, counted; nil if there is none.
  private mutating func segment(_ position: Int, in folder: JournalFile)
    throws(ErrorNumber) -> Counted?
  {
    while counted.count <= position {
      guard let number = numbers.popLast() else { return nil }
      do throws(ErrorNumber) {
        if let segment = try count(number, in: folder) { counted.append(segment) }
      } catch {
        // It was dropped, and so were those before it.
        guard error.value == ErrorNumber.noEntry else { throw error }
        numbers = []
      }
    }
    return counted[position]
  }

  /// Counts the ends of lines in a segment; nil if it is damaged.
  private mutating func count(_ number: UInt64, in folder: JournalFile)
    throws(ErrorNumber) -> Counted?
  {
    let opened = try SegmentCursor(number, in: folder, memory, system)
    guard var cursor = opened else { return nil }
    var ends = JournalOffsets.zero
    var lastHere: [JournalChannel: (offset: UInt64, isEnd: Bool)] = [:]
    while let (header, payload) = try nextRecord(&cursor) {
      let bytes = UnsafeRawBufferPointer(rebasing: memory.bytes[payload])
      ends[header.channel] += Self.newlines(bytes)
      lastHere[header.channel] = (
        header.offsets[header.channel] + UInt64(header.length), bytes.last == UInt8(ascii: "\n")
      )
    }
    for (channel, last) in lastHere where found.insert(channel).inserted {
      lastOffsets[channel] = last.offset
      if !last.isEnd {
        endsInLine.insert(channel)
        ends[channel] += 1
      }
    }
    return Counted(number: number, limit: cursor.place, offsets: cursor.offsets, ends: ends)
  }

  /// Calls `body` with the channel of each end of a line and the offset after it, until it returns
  /// false.
  private func forEachEnd(
    in segment: Counted, _ folder: JournalFile,
    _ body: (JournalChannel, UInt64) -> Bool
  ) throws(ErrorNumber) {
    let opened = try SegmentCursor(segment.number, in: folder, memory, system)
    guard var cursor = opened else { return }
    while cursor.place < segment.limit, let (header, payload) = try nextRecord(&cursor) {
      guard channels.contains(header.channel) else { continue }
      let bytes = UnsafeRawBufferPointer(rebasing: memory.bytes[payload])
      let start = header.offsets[header.channel]
      var place = 0
      while let end = Self.newline(in: bytes, from: place) {
        place = end + 1
        if !body(header.channel, start + UInt64(place)) { return }
      }
      let end = start + UInt64(header.length)
      if endsInLine.contains(header.channel), end == lastOffsets[header.channel],
        !body(header.channel, end)
      {
        return
      }
    }
  }

  /// The next record that is intact; nil at the end of what can be read.
  private func nextRecord(_ cursor: inout SegmentCursor) throws(ErrorNumber)
    -> (RecordHeader, Range<Int>)?
  {
    while true {
      switch try cursor.next() {
      case .record(let header, let payload): return (header, payload)
      case .damagedPayload(_, isLast: false): continue
      case .damagedPayload, .damagedHeader, .end, .incomplete: return nil
      }
    }
  }

  private static func newlines(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var count: UInt64 = 0
    // The compiler makes vector instructions of this loop.
    for byte in bytes where byte == UInt8(ascii: "\n") { count &+= 1 }
    return count
  }

  private static func newline(in bytes: UnsafeRawBufferPointer, from place: Int) -> Int? {
    guard place < bytes.count, let start = bytes.baseAddress,
      let found = memchr(start + place, Int32(UInt8(ascii: "\n")), bytes.count - place)
    else { return nil }
    return UnsafeRawPointer(found) - start
  }
}
