internal import TelpherTransport

/// Memory for the records that a reader is reading.
final class RecordMemory {
  let bytes = UnsafeMutableRawBufferPointer.allocate(
    byteCount: JournalLimit.readBytes, alignment: 16)

  deinit { bytes.deallocate() }
}

/// Reads the records of one segment, from the first on.
struct SegmentCursor {
  enum Step {
    /// A record that is as it was written; its payload is at these places in the memory until the
    /// next call.
    case record(RecordHeader, payload: Range<Int>)
    /// The payload of this record is damaged. If it is at the end of the file, it may also be that
    /// it is being written.
    case damagedPayload(RecordHeader, isLast: Bool)
    /// There is no record where one should begin. What follows can't be read. With less than a
    /// record in the file, it may also be that it is being written.
    case damagedHeader(isLast: Bool)
    /// The file ends here.
    case end
    /// The file ends in the middle of a record.
    case incomplete

    /// Whether a later call may read something else here, because the writer may still be writing
    /// this record.
    var isMaybeUnfinished: Bool {
      switch self {
      case .record: false
      case .damagedPayload(_, let isLast), .damagedHeader(let isLast): isLast
      case .end, .incomplete: true
      }
    }
  }

  let number: UInt64
  /// The bytes of each output before the segment.
  let offsets: JournalOffsets
  /// Where the next record begins in the file.
  private(set) var place = UInt64(Segment.headerSize)

  private let file: JournalFile
  private let system: any JournalSystem
  private let memory: RecordMemory
  /// The part of the memory that holds the file's bytes from `place` on.
  private var window = 0..<0

  /// Opens a segment of the folder; nil if its header is incomplete or damaged.
  init?(
    _ number: UInt64, in folder: JournalFile, _ memory: RecordMemory,
    _ system: any JournalSystem
  ) throws(ErrorNumber) {
    let descriptor = try system.open(Segment.name(number), in: folder.descriptor, .read)
    file = JournalFile(descriptor, system)
    self.number = number
    self.system = system
    self.memory = memory
    let header = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<Segment.headerSize])
    guard try system.read(descriptor, into: header, at: 0) == header.count,
      let offsets = Segment.offsets(UnsafeRawBufferPointer(header), of: number)
    else { return nil }
    self.offsets = offsets
  }

  /// The bytes of each output before the oldest of these segments; nil if none can be read.
  static func first(
    among numbers: [UInt64], in folder: JournalFile, _ memory: RecordMemory,
    _ system: any JournalSystem
  ) throws(ErrorNumber) -> JournalOffsets? {
    for number in numbers {
      do throws(ErrorNumber) {
        let cursor = try SegmentCursor(number, in: folder, memory, system)
        if let cursor { return cursor.offsets }
      } catch {
        // It was dropped meanwhile.
        if error.value != ErrorNumber.noEntry { throw error }
      }
    }
    return nil
  }

  /// Whether the segment has not been removed from its folder.
  var hasName: Bool {
    get throws(ErrorNumber) { try system.status(file.descriptor).hasName }
  }

  /// Reads the next record and steps over it. Otherwise, except for a damaged payload that is not the
  /// last, the next call tries the same place again.
  mutating func next() throws(ErrorNumber) -> Step {
    guard try fill(RecordHeader.size) else { return stopped() }
    guard let header = RecordHeader(UnsafeRawBufferPointer(rebasing: memory.bytes[window])) else {
      let isLast = try !fill(RecordHeader.largestRecord + 1)
      forgetWindow()
      return .damagedHeader(isLast: isLast)
    }
    let size = RecordHeader.size + header.length
    guard try fill(size) else { return stopped() }
    let payload = window.lowerBound + RecordHeader.size..<window.lowerBound + size
    let isIntact =
      Layout.checksum(UnsafeRawBufferPointer(rebasing: memory.bytes[payload]))
      == header.payloadChecksum
    if !isIntact, try !fill(size + 1) {
      forgetWindow()
      return .damagedPayload(header, isLast: true)
    }
    step(over: size)
    return isIntact ? .record(header, payload: payload) : .damagedPayload(header, isLast: false)
  }

  /// Steps over the last record although its payload is damaged.
  mutating func stepOver(_ header: RecordHeader) {
    forgetWindow()
    place += UInt64(RecordHeader.size + header.length)
  }

  private mutating func step(over size: Int) {
    window = window.lowerBound + size..<window.upperBound
    place += UInt64(size)
  }

  /// The writer may still write or remove what comes here, so it is read anew the next time.
  private mutating func forgetWindow() { window = 0..<0 }

  private mutating func stopped() -> Step {
    defer { forgetWindow() }
    return window.isEmpty ? .end : .incomplete
  }

  /// Reads until the window has `count` bytes; false if the file ends before.
  private mutating func fill(_ count: Int) throws(ErrorNumber) -> Bool {
    if window.count >= count { return true }
    if window.lowerBound > 0 {
      UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<window.count])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: memory.bytes[window]))
      window = 0..<window.count
    }
    let rest = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[window.upperBound...])
    let got = try system.read(file.descriptor, into: rest, at: place + UInt64(window.count))
    window = 0..<window.upperBound + got
    return window.count >= count
  }
}
