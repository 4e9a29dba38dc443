/// The header of a record. A record is one piece of output as it was read from the job.
///
///      0        4         5        8         12         16       24        32        40         48
///     +--------+---------+--------+---------+----------+--------+---------+---------+----------+
///     | "TJR1" | channel | 0 0 0  | length  | checksum | time   | stdout  | stderr  | checksum |
///     |        | 1 byte  |        | 4 bytes | of this  | 8 bytes| 8 bytes | 8 bytes | of the   |
///     |        |         |        |         | header   | (ns)   |         |         | payload  |
///     +--------+---------+--------+---------+----------+--------+---------+---------+----------+
///
/// followed by `length` bytes of payload. `stdout` and `stderr` are the bytes of each output before
/// this record, lost ones included. So each record shows what is missing before it.
struct RecordHeader: Equatable {
  var channel: JournalChannel
  /// The bytes of payload, from 1 to `JournalLimit.recordBytes`.
  var length: Int
  /// When the piece was read, in nanoseconds since 1970.
  var time: Int64
  /// The place of the record's first byte in its output, and the bytes of the other one before it.
  var offsets: JournalOffsets
  var payloadChecksum: UInt64

  static let size = 48
  /// The most bytes that a record has, with its header.
  static let largestRecord = size + JournalLimit.recordBytes
  private static let magic: UInt32 = 0x3152_4A54

  func encode(into bytes: UnsafeMutableRawBufferPointer) {
    Layout.store(Self.magic, bytes, at: 0)
    Layout.store(UInt32(channel.rawValue), bytes, at: 4)
    Layout.store(UInt32(length), bytes, at: 8)
    Layout.store(UInt32(0), bytes, at: 12)
    Layout.store(time, bytes, at: 16)
    Layout.store(offsets.output, bytes, at: 24)
    Layout.store(offsets.error, bytes, at: 32)
    Layout.store(payloadChecksum, bytes, at: 40)
    Layout.store(Self.headerChecksum(UnsafeRawBufferPointer(bytes)), bytes, at: 12)
  }

  /// Reads a header of 48 bytes; nil if it is not what `encode` writes.
  init?(_ bytes: UnsafeRawBufferPointer) {
    let number = Layout.load(UInt32.self, bytes, at: 4)
    length = Int(Layout.load(UInt32.self, bytes, at: 8))
    guard Layout.load(UInt32.self, bytes, at: 0) == Self.magic,
      let channel = UInt8(exactly: number).flatMap(JournalChannel.init),
      (1...JournalLimit.recordBytes).contains(length),
      Layout.load(UInt32.self, bytes, at: 12) == Self.headerChecksum(bytes)
    else { return nil }
    self.channel = channel
    time = Layout.load(Int64.self, bytes, at: 16)
    offsets = JournalOffsets(
      output: Layout.load(UInt64.self, bytes, at: 24),
      error: Layout.load(UInt64.self, bytes, at: 32))
    payloadChecksum = Layout.load(UInt64.self, bytes, at: 40)
    // A channel longer than 8 EiB would overflow later. No job writes that much.
    guard max(offsets.output, offsets.error) < 1 << 63 else { return nil }
  }

  init(
    channel: JournalChannel, length: Int, time: Int64, offsets: JournalOffsets,
    payloadChecksum: UInt64
  ) {
    self.channel = channel
    self.length = length
    self.time = time
    self.offsets = offsets
    self.payloadChecksum = payloadChecksum
  }

  /// The checksum of everything but its own field.
  private static func headerChecksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    withUnsafeTemporaryAllocation(byteCount: size - 4, alignment: 8) { copy in
      copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<12]))
      UnsafeMutableRawBufferPointer(rebasing: copy[12...])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[16..<size]))
      return UInt32(truncatingIfNeeded: Layout.checksum(UnsafeRawBufferPointer(copy)))
    }
  }
}
