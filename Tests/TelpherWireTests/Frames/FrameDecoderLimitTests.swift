import Testing
import TelpherTestSupport
import TelpherWire

@Suite struct FrameDecoderLimitTests {
  /// Feeds only the header, so that every refusal happens before the payload.
  static func headerOnly(_ type: UInt8, length: Int) -> [UInt8] {
    RawFrame(type: type, stream: 1).header(length: length)
  }

  @Test(arguments: [
    (UInt8(0x01), 4_096), (0x02, 65_536), (0x03, 262_144), (0x05, 4_096), (0x06, 65_536),
    (0x07, 1_024), (0x0A, 1_024), (0x40, 262_144),
  ])
  func `One byte over a type's limit is refused at the header`(type: UInt8, limit: Int) {
    #expect(Decoded.refusal(of: Self.headerOnly(type, length: limit)) == nil)
    #expect(Decoded.refusal(of: Self.headerOnly(type, length: limit + 1)) == .frameTooLarge)
    #expect(Decoded.refusal(of: Self.headerOnly(type, length: Int(UInt32.max))) == .frameTooLarge)
  }

  @Test(arguments: [(65_537, true), (8_388_608, true), (8_388_609, false)])
  func `A long OPEN is accepted once the peer is known`(length: Int, isAccepted: Bool) {
    let bytes = Self.headerOnly(0x02, length: length)
    #expect(Decoded.refusal(of: bytes) == .frameTooLarge)
    var decoder = FrameDecoder(expectsPreface: false)
    decoder.acceptLongOpens()
    var position = 0
    var refusal: ErrorCode?
    do {
      _ = try bytes.withUnsafeBytes { try decoder.next(in: $0, at: &position) }
    } catch {
      refusal = (error as? WireError)?.code
    }
    #expect(refusal == (isAccepted ? nil : .frameTooLarge))
  }

  @Test(arguments: [UInt8(0x04), 0x08, 0x09, 0x0C], [0, 7, 9, Int(UInt32.max)])
  func `A number that is not 8 bytes long is refused at the header`(type: UInt8, length: Int) {
    #expect(Decoded.refusal(of: Self.headerOnly(type, length: length)) == .protocolError)
  }

  @Test func `The longest DATA is the one that HELLO allows`() {
    let bytes = Self.headerOnly(0x03, length: 1_000_000)
    #expect(Decoded.refusal(of: bytes, maxFrame: 1_000_000) == nil)
    #expect(Decoded.refusal(of: bytes, maxFrame: 999_999) == .frameTooLarge)
  }

  @Test func `A HELLO can't raise the hard limit`() {
    let bytes = Self.headerOnly(0x03, length: 16_777_216)
    #expect(Decoded.refusal(of: bytes, maxFrame: .max) == .frameTooLarge)
  }

  @Test(arguments: [UInt8(0x0D), 0x00, 0x7F]) func `An unknown type is skipped`(type: UInt8) throws
  {
    let unknown = RawFrame(type: type, stream: 77, flags: 0xFF, payload: [9, 9, 9]).bytes
    let (frames, atBoundary) = try Decoded.decode([unknown + data(1, .stdin, [5])])
    #expect(frames == [.data(FrameHeader(length: 1, stream: 1, type: .data), [5])])
    #expect(atBoundary)
  }

  @Test(arguments: [UInt8(0x80), 0x83, 0xFF])
  func `An unknown type with the top bit is refused`(type: UInt8) {
    #expect(Decoded.refusal(of: Self.headerOnly(type, length: 0)) == .unknownCritical)
  }

  @Test func `A wrong preface is refused at its first wrong byte`() {
    #expect(Decoded.refusal(of: Array("G".utf8), expectsPreface: true) == .protocolError)
    #expect(Decoded.refusal(of: Array("TELPHER2".utf8), expectsPreface: true) == .protocolError)
    #expect(Decoded.refusal(of: Array("TELPHER".utf8), expectsPreface: true) == nil)
  }

  @Test(arguments: [UInt8(0x02), 0x03, 0x08, 0x40])
  func `A first frame that is not HELLO is refused at its header`(type: UInt8) {
    let bytes = preface + Self.headerOnly(type, length: 8)
    #expect(Decoded.refusal(of: bytes, expectsPreface: true) == .protocolError)
  }
}
