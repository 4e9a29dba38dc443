import Testing
import TelpherWire

@Suite struct FrameHeaderTests {
  @Test func `A header is 12 bytes in network byte order`() {
    var bytes: [UInt8] = []
    FrameHeader(length: 0x0001_0203, stream: 0x0405_0607, type: .data, flags: 1, channel: 2)
      .append(to: &bytes)
    #expect(bytes == [0, 1, 2, 3, 4, 5, 6, 7, 3, 1, 2, 0])
  }

  @Test func `Reading gives what was written`() {
    let header = FrameHeader(
      length: .max, stream: .max - 1, type: FrameType(rawValue: 0x7F), flags: 0xFE, channel: 0xFD)
    var bytes: [UInt8] = []
    header.append(to: &bytes)
    #expect(bytes.withUnsafeBytes { FrameHeader(reading: $0) } == header)
  }

  @Test func `The reserved byte is ignored`() {
    let bytes: [UInt8] = [0, 0, 0, 1, 0, 0, 0, 3, 3, 0, 1, 0xFF]
    #expect(
      bytes.withUnsafeBytes { FrameHeader(reading: $0) }
        == FrameHeader(length: 1, stream: 3, type: .data, channel: 1))
  }
}
