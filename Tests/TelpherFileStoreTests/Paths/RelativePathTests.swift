import TelpherFileStore
import TelpherTestSupport
import Testing

@Suite struct RelativePathTests {
  @Test(arguments: [
    ("", ""), (".", ""), ("./", ""), ("./.", ""), ("a", "a"), ("a/", "a"), ("a//b", "a/b"),
    ("./a/./b/.", "a/b"), ("a///", "a"), ("...", "..."), ("..a", "..a"), ("a/.b", "a/.b"),
    ("a b", "a b"), ("-", "-"), ("a\\b", "a\\b"), ("a\nb", "a\nb"),
  ])
  func dotsAndExtraSlashesAreDropped(text: String, bytes: String) throws {
    #expect(try RelativePath(text).bytes == bytes.bytes)
  }

  @Test(arguments: [
    ("/", "absolute"), ("/etc/passwd", "absolute"), ("//a", "absolute"), ("..", "'..'"),
    ("../a", "'..'"), ("a/..", "'..'"), ("a/../b", "'..'"), ("a/./../b", "'..'"),
    ("a\0b", "NUL"), ("\0", "NUL"), ("a/\0", "NUL"),
    (String(repeating: "x", count: 256), "255 bytes"),
    ("a/" + String(repeating: "x", count: 256) + "/b", "255 bytes"),
    (String(repeating: "a/", count: 2048), "4095 bytes"),
  ])
  func invalidPathIsRefusedWithAReason(text: String, reason: String) {
    let error = #expect(throws: FileError.self) { try RelativePath(text) }
    #expect(error?.code == .badPath)
    #expect(error?.message.contains(reason) == true)
  }

  @Test func longestPathsAndNamesAreAccepted() throws {
    let name = String(repeating: "x", count: 255)
    #expect(try RelativePath(name).bytes.count == 255)
    let path = Array(repeating: name, count: 16).joined(separator: "/").dropLast(0)
    #expect(path.utf8.count == 4095)
    #expect(try RelativePath(String(path)).bytes.count == 4095)
    #expect(code { _ = try RelativePath(path + "x") } == .badPath)
    #expect(code { _ = try RelativePath(String(path)).appending([0x61]) } == .badPath)
  }

  @Test func namesThatAreNotUTF8() throws {
    let path = try RelativePath([0x61, 0x2F, 0xFF, 0xFE])
    #expect(path.name == [0xFF, 0xFE])
    #expect(path.parent == "a")
    #expect(path.description == "a/\\xff\\xfe")
  }

  @Test(
    arguments: [
      ([], "."), ([0x61, 0x0A, 0x1B, 0x7F], "a\\x0a\\x1b\\x7f"), ([0xC3, 0xA9], "é"),
      ([0xC3], "\\xc3"), ([0xC3, 0x61], "\\xc3a"), ([0xE2, 0x82, 0x61], "\\xe2\\x82a"),
      ([0xC2, 0x9B], "\\xc2\\x9b"), ([0xE2, 0x80, 0xAE], "\\xe2\\x80\\xae"), ([0x5C], "\\\\"),
      ([0xF0, 0x9F, 0x9A, 0xA0], "🚠"), ([0xED, 0xA0, 0x80], "\\xed\\xa0\\x80"),
    ] as [([UInt8], String)])
  func descriptionIsEscaped(bytes: [UInt8], text: String) throws {
    #expect(try RelativePath(bytes).description == text)
  }

  @Test func aPathHasAParentAndAName() throws {
    let path: RelativePath = "a/b/c"
    #expect(path.parent == "a/b")
    #expect(path.name == "c".bytes)
    #expect(path.parent.parent.parent == .root)
    #expect(RelativePath.root.parent == .root)
    #expect(RelativePath.root.isRoot)
    #expect(RelativePath.root.name.isEmpty)
    #expect(try RelativePath.root.appending("a".bytes).appending("b".bytes) == "a/b")
  }

  @Test(arguments: ["", ".", "..", "a/b", "/", "a\0"]) func invalidNameIsRefused(text: String) {
    #expect(code { _ = try RelativePath.root.appending(text.bytes) } == .badPath)
  }
}
