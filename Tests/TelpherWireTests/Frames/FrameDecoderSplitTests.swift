import Testing
import TelpherTestSupport
import TelpherWire

/// The decoder must find the same frames whatever the sizes of the pieces in which the bytes
/// arrive.
@Suite struct FrameDecoderSplitTests {
  /// One frame of each kind, empty and not, with an unknown one between.
  static let conversation: [UInt8] =
    openRun(1) + openRun(3, noInput: true) + data(1, .stdin, Array("hello".utf8))
    + data(1, .stdin, []) + connectionWindow(1 << 40) + window(1, .stdout, 77)
    + RawFrame(type: 0x55, stream: 9, payload: [1, 2, 3]).bytes
    + RawFrame(type: 0x56).bytes
    + control(1, #"{"signal":15}"#) + RawFrame(type: 0x05, stream: 1).bytes
    + control(1, "12345678") + ping([1, 2, 3, 4, 5, 6, 7, 8])
    + RawFrame(type: 0x09, payload: [8, 7, 6, 5, 4, 3, 2, 1]).bytes
    + close(1) + reset(3, 9, sent: 5, "so") + goAway(3, 11, "bye")
    + data(3, .file, Array(0..<100), fin: true)

  static func whole() throws -> [Decoded] { try Decoded.decode([conversation]).frames }

  @Test func `Frames that arrive in one piece are separated`() throws {
    let frames = try Self.whole()
    #expect(frames.count == 15)
    #expect(
      frames[2]
        == .data(FrameHeader(length: 5, stream: 1, type: .data), Array("hello".utf8)))
    #expect(frames[4] == .number(FrameHeader(length: 8, stream: 0, type: .window), 1 << 40))
    #expect(
      frames[8]
        == .message(FrameHeader(length: 8, stream: 1, type: .control), Array("12345678".utf8))
    )
  }

  @Test func `Byte by byte gives the same frames`() throws {
    let frames = try Decoded.decode(Self.conversation.map { [$0] }).frames
    #expect(frames == (try Self.whole()))
  }

  @Test func `A cut at any offset gives the same frames`() throws {
    let whole = try Self.whole()
    for cut in 0...Self.conversation.count {
      let pieces = [Array(Self.conversation[..<cut]), Array(Self.conversation[cut...])]
      #expect(try Decoded.decode(pieces).frames == whole, "cut at \(cut)")
    }
  }

  @Test(arguments: UInt64(0)..<200) func `Random cuts give the same frames`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let longest = [2, 7, 13, 64, 400].randomElement(using: &generator)!
    let pieces = generator.pieces(of: Self.conversation, longest: longest)
    #expect(try Decoded.decode(pieces).frames == (try Self.whole()))
  }

  @Test func `A thousand frames in one read all come out`() throws {
    let bytes = (0..<1_000).flatMap { data(1, .stdin, [UInt8($0 % 256)]) }
    let frames = try Decoded.decode([bytes]).frames
    #expect(frames.count == 1_000)
    #expect(frames[999] == .data(FrameHeader(length: 1, stream: 1, type: .data), [231]))
  }

  @Test func `Empty reads change nothing`() throws {
    let pieces = Self.conversation.flatMap { [[], [$0]] }
    #expect(try Decoded.decode(pieces).frames == (try Self.whole()))
  }

  @Test func `The preface may come in pieces`() throws {
    let pieces = (preface + helloFrame()).map { [$0] }
    let (frames, _) = try Decoded.decode(pieces, expectsPreface: true)
    #expect(
      frames
        == [
          .message(FrameHeader(length: 13, stream: 0, type: .hello), Array(#"{"version":1}"#.utf8))
        ]
    )
  }

  @Test func `Only the end of a frame is a boundary`() throws {
    var offset = 0
    var ends: Set<Int> = [0]
    for frame in RawFrame.all(in: Self.conversation) {
      offset += frame.bytes.count
      ends.insert(offset)
    }
    for cut in 0...Self.conversation.count {
      let atBoundary = try Decoded.decode([Array(Self.conversation[..<cut])]).isAtBoundary
      #expect(atBoundary == ends.contains(cut), "after \(cut) bytes")
    }
  }

  @Test func `No boundary lies before the end of the preface`() throws {
    for cut in 0..<8 {
      let (_, atBoundary) = try Decoded.decode([Array(preface[..<cut])], expectsPreface: true)
      #expect(!atBoundary)
    }
  }
}
