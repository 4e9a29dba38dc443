import Testing

@testable import TelpherClassic

struct TranscoderTests {
  private let text = "命令的输出：中文, and ASCII\n"

  private func convert(_ bytes: [UInt8], _ transcoder: Transcoder) -> [UInt8] {
    bytes.withUnsafeBytes { transcoder.convert($0) }
  }

  private func gbk(_ text: String) throws -> [UInt8] {
    let transcoder = try Transcoder(from: "UTF-8", to: "gbk")
    return convert(Array(text.utf8), transcoder) + transcoder.finish()
  }

  @Test func gbkUsesTwoBytesPerCharacter() throws {
    #expect(try gbk("中文") == [0xD6, 0xD0, 0xCE, 0xC4])
  }

  @Test(arguments: 1...7)
  func aCharacterInTwoPiecesIsConverted(_ size: Int) throws {
    let bytes = try gbk(text)
    let transcoder = try Transcoder(from: "gbk", to: "UTF-8")
    var result: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
      result += convert(Array(bytes[start..<min(start + size, bytes.count)]), transcoder)
    }
    result += transcoder.finish()
    #expect(String(decoding: result, as: UTF8.self) == text)
  }

  @Test func longTextIsConvertedInSeveralCalls() throws {
    let long = String(repeating: text, count: 20_000)
    let transcoder = try Transcoder(from: "gbk", to: "UTF-8")
    let result = convert(try gbk(long), transcoder) + transcoder.finish()
    #expect(result == Array(long.utf8))
  }

  @Test func invalidAndUnmappableCharactersAreReplaced() throws {
    let back = try Transcoder(from: "gbk", to: "UTF-8")
    #expect(convert([0x41, 0xFF, 0x42], back) == Array("A\u{FFFD}B".utf8))
    let there = try Transcoder(from: "UTF-8", to: "gbk")
    #expect(convert([0x41, 0xFF, 0x42] + Array("🚡".utf8) + [0x43], there).first == 0x41)
    #expect(convert([0x44], there) == [0x44])
  }

  @Test func halfACharacterAtTheEndIsReplaced() throws {
    let transcoder = try Transcoder(from: "gbk", to: "UTF-8")
    #expect(convert([0x41, 0xD6], transcoder) == [0x41])
    #expect(transcoder.finish() == Array("\u{FFFD}".utf8))
    #expect(transcoder.finish().isEmpty)
  }

  @Test func aStatefulEncodingIsResetAtTheEnd() throws {
    let transcoder = try Transcoder(from: "UTF-8", to: "ISO-2022-JP")
    let bytes = convert(Array("日本".utf8), transcoder) + transcoder.finish()
    #expect(bytes == [0x1B, 0x24, 0x42, 0x46, 0x7C, 0x4B, 0x5C, 0x1B, 0x28, 0x42])
  }

  @Test func anUnknownEncodingIsNamed() {
    let error = #expect(throws: ClassicError.self) {
      try Transcoder(from: "no-such-encoding", to: "UTF-8")
    }
    #expect(error?.code == .badRequest)
    #expect(error?.message.contains("no-such-encoding") == true)
  }
}
