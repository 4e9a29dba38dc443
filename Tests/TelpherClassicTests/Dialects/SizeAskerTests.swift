import Testing

@testable import TelpherClassic

struct SizeAskerTests {
  @Test func aSizeIsDecimalText() throws {
    #expect(try SizeAsker.size(Array("0".utf8)) == 0)
    #expect(try SizeAsker.size(Array(" 5242880\n".utf8)) == 5_242_880)
    #expect(try SizeAsker.size(Array("4294967296".utf8)) == 4_294_967_296)
  }

  @Test(arguments: [
    "", "-1", "12ab", "99999999999999999999", "1e5", String(repeating: "1", count: 65),
  ])
  func otherTextsAreNotSizes(_ text: String) {
    let error = #expect(throws: ClassicError.self) { try SizeAsker.size(Array(text.utf8)) }
    #expect(error?.code == .violation)
  }
}
