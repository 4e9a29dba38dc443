import TelpherTransport
import Testing

@testable import TelpherClassic

struct DatagramTextTests {
  private let cut = Array("[cut]".utf8)

  private func text(_ pieces: String..., limit: Int, note: String = "") -> (String, Bool) {
    var text = DatagramText(limit: limit)
    for piece in pieces { text.append(Chunk(piece)) }
    text.note = Array(note.utf8)
    let bytes = text.bytes(noteIfCut: cut)
    #expect(bytes.count <= limit)
    return (String(validating: bytes, as: UTF8.self) ?? "not UTF-8", text.isCut)
  }

  @Test func aFittingTextIsUnchanged() {
    #expect(text("0123", "456789", limit: 10) == ("0123456789", false))
    #expect(text(limit: 10) == ("", false))
  }

  @Test func aCutTextEndsWithANote() {
    #expect(text("0123456789", "0", limit: 10) == ("01234[cut]", true))
    #expect(text("12\n45678901", limit: 10) == ("12\n[cut]", true))
  }

  @Test func charactersAreNotCut() {
    #expect(text("中文中文", limit: 10) == ("中[cut]", true))
    #expect(text("🚡🚡🚡", limit: 8) == ("[cut]", true))
  }

  @Test func aNoteIsAddedAtTheEnd() {
    #expect(text("0123456789", limit: 10, note: "!") == ("012345678!", false))
    #expect(text("0", limit: 10, note: "!") == ("0!", false))
  }
}
