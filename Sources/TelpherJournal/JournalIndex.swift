internal import TelpherTransport

/// The file `index` of a journal, 4 KiB. It is written out in full when the journal is created, so
/// that changes to it need no room on the disk. Its writer holds a lock on it as long as it lives.
///
///     offset 0:    "TJINDX1" and NUL, the journal's limit in bytes, the bytes of a segment,
///                  1 for drop_oldest or 2 for block, the time of creation, the checksum of these
///     offset 512:  the state, 64 bytes: see `JournalState`
enum JournalIndex {
  static let name = "index"
  static let size = 4096
  private static let stateOffset: UInt64 = 512
  private static let magic: UInt64 = 0x0031_5844_4E49_4A54

  /// The file as it is created.
  static func write(
    _ settings: JournalSettings, created: Int64, to file: JournalFile
  ) throws(ErrorNumber) {
    var bytes = [UInt8](repeating: 0, count: size)
    bytes.withUnsafeMutableBytes { bytes in
      Layout.store(magic, bytes, at: 0)
      Layout.store(settings.bytes, bytes, at: 8)
      Layout.store(UInt64(settings.segmentBytes), bytes, at: 16)
      Layout.store(settings.whenFull.number, bytes, at: 24)
      Layout.store(created, bytes, at: 32)
      Layout.store(Layout.checksum(.init(rebasing: bytes[..<40])), bytes, at: 40)
      JournalState().encode(
        into: UnsafeMutableRawBufferPointer(rebasing: bytes[Int(stateOffset)...]))
    }
    var failure: ErrorNumber?
    bytes.withUnsafeBytes { bytes in
      do throws(ErrorNumber) { try file.overwrite(bytes, at: 0) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Replaces the state. A process that is killed meanwhile has written all of it or nothing: the
  /// kernel copies these few bytes within one page.
  static func write(_ state: JournalState, to file: JournalFile) throws(ErrorNumber) {
    var failure: ErrorNumber?
    withUnsafeTemporaryAllocation(byteCount: JournalState.size, alignment: 8) { bytes in
      state.encode(into: bytes)
      do throws(ErrorNumber) {
        try file.overwrite(UnsafeRawBufferPointer(bytes), at: stateOffset)
      } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// The settings of an index; nil if its writer has not written them yet or they are damaged.
  static func settings(
    _ file: JournalFile, _ system: any JournalSystem
  ) throws(ErrorNumber) -> JournalSettings? {
    let header = try read(48, at: 0, from: file.descriptor, system)
    return header.withUnsafeBytes { bytes in
      guard bytes.count == 48, Layout.load(UInt64.self, bytes, at: 0) == magic,
        Layout.load(UInt64.self, bytes, at: 40) == Layout.checksum(.init(rebasing: bytes[..<40])),
        let whenFull = WhenFull(number: Layout.load(UInt64.self, bytes, at: 24))
      else { return nil }
      return JournalSettings(bytes: Layout.load(UInt64.self, bytes, at: 8), whenFull: whenFull)
    }
  }

  /// The state; nil if it is damaged, or was being written.
  static func state(
    _ file: JournalFile, _ system: any JournalSystem
  ) throws(ErrorNumber) -> JournalState? {
    let bytes = try read(JournalState.size, at: stateOffset, from: file.descriptor, system)
    return bytes.withUnsafeBytes { JournalState($0) }
  }

  private static func read(
    _ count: Int, at offset: UInt64, from descriptor: Int32, _ system: any JournalSystem
  ) throws(ErrorNumber) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var outcome: Result<Int, ErrorNumber> = .success(0)
    bytes.withUnsafeMutableBytes { memory in
      do throws(ErrorNumber) {
        outcome = .success(try system.read(descriptor, into: memory, at: offset))
      } catch { outcome = .failure(error) }
    }
    return Array(bytes.prefix(try outcome.get()))
  }
}

/// What the index says about the end of the journal. It is written when bytes were lost and at the
/// end; in between the records are the newer source.
///
///      0         8         16        24        32         40
///     +---------+---------+---------+---------+----------+----------+
///     | stdout  | stderr  | lost of | lost of | flags    | checksum |
///     |         |         | stdout  | stderr  |          | of 0..<40|
///     +---------+---------+---------+---------+----------+----------+
///
/// Flags: 1 if finished, 2 if all lost bytes were discarded.
struct JournalState: Equatable {
  /// The bytes that the job has written to each output, lost ones included.
  var totals = JournalOffsets.zero
  /// How many of them could not be stored.
  var lost = JournalOffsets.zero
  /// Whether the job's output is complete.
  var isFinished = false
  /// Whether all lost bytes were left out on request, and no write has failed.
  var isOnlyDiscarded = false

  /// Why bytes are lost.
  var lossReason: JournalGap { isOnlyDiscarded ? .discarded : .notWritten }

  static let size = 48

  init() {}

  func encode(into bytes: UnsafeMutableRawBufferPointer) {
    Layout.store(totals.output, bytes, at: 0)
    Layout.store(totals.error, bytes, at: 8)
    Layout.store(lost.output, bytes, at: 16)
    Layout.store(lost.error, bytes, at: 24)
    Layout.store((isFinished ? 1 : 0) | (isOnlyDiscarded ? 2 : 0) as UInt64, bytes, at: 32)
    Layout.store(Layout.checksum(.init(rebasing: bytes[..<40])), bytes, at: 40)
  }

  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count == Self.size,
      Layout.load(UInt64.self, bytes, at: 40) == Layout.checksum(.init(rebasing: bytes[..<40]))
    else { return nil }
    totals = JournalOffsets(
      output: Layout.load(UInt64.self, bytes, at: 0), error: Layout.load(UInt64.self, bytes, at: 8))
    lost = JournalOffsets(
      output: Layout.load(UInt64.self, bytes, at: 16),
      error: Layout.load(UInt64.self, bytes, at: 24))
    let flags = Layout.load(UInt64.self, bytes, at: 32)
    isFinished = flags & 1 != 0
    isOnlyDiscarded = flags & 2 != 0
  }
}
