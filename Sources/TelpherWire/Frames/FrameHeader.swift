/// The fixed part of a frame (docs/PROTOCOL.md, "Frame"), 12 bytes in network byte order:
///
///      0        4          8       9       10        11
///     +--------+----------+-------+-------+---------+----------+
///     | length | stream   | type  | flags | channel | reserved |
///     | u32    | u32      | u8    | u8    | u8      | u8 = 0   |
///     +--------+----------+-------+-------+---------+----------+
package struct FrameHeader: Sendable, Equatable {
  /// The length of the payload that follows, in bytes.
  package var length: UInt32
  /// The frame's stream; 0 for the connection.
  package var stream: StreamID
  /// The frame's type.
  package var type: FrameType
  /// Bits whose meaning depends on the type: `FrameFlags`.
  package var flags: UInt8
  /// The number of the channel, for DATA and WINDOW; else 0.
  package var channel: UInt8

  /// A header.
  @inlinable
  package init(
    length: UInt32, stream: StreamID, type: FrameType, flags: UInt8 = 0, channel: UInt8 = 0
  ) {
    self.length = length
    self.stream = stream
    self.type = type
    self.flags = flags
    self.channel = channel
  }

  /// Reads a header from the first 12 bytes of `bytes`, which must hold at least 12.
  @inlinable
  package init(reading bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count >= WireConstants.headerLength, "the decoder collects a whole header")
    length = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
    stream = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    type = FrameType(rawValue: bytes[8])
    flags = bytes[9]
    channel = bytes[10]
  }

  /// The type, the flags and the channel as a word.
  @inlinable
  package var kind: UInt32 {
    UInt32(type.rawValue) << 24 | UInt32(flags) << 16 | UInt32(channel) << 8
  }

  /// Appends the 12 bytes to `out`.
  @inlinable
  package func append(to out: inout [UInt8]) {
    // Three words, so that the compiler emits three stores.
    let words = (length.bigEndian, stream.bigEndian, kind.bigEndian)
    Swift.withUnsafeBytes(of: words) { out.append(contentsOf: $0) }
  }

  /// Appends the 12 bytes and a payload of 8 bytes to `out`. In one step, because appending to an array
  /// takes most of the time.
  func append(to out: inout [UInt8], number: UInt64) {
    let words = (
      length.bigEndian, stream.bigEndian, kind.bigEndian,
      UInt32(truncatingIfNeeded: number >> 32).bigEndian,
      UInt32(truncatingIfNeeded: number).bigEndian
    )
    Swift.withUnsafeBytes(of: words) { out.append(contentsOf: $0) }
  }
}
