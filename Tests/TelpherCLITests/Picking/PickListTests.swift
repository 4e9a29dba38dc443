import Testing

@testable import TelpherCLI

struct PickListTests {
  private let list = PickList(
    items: (1...10).map { PickList.Item(name: Array("f\($0)".utf8), size: Int64($0) * 1_000) })

  @Test func theNumbersAreAligned() {
    let lines = list.text.split(separator: "\n")
    #expect(lines.first == "   1  f1  1.0 kB")
    #expect(lines.last == "  10  f10  10.0 kB")
  }

  @Test func aNumberPicksItsFile() {
    #expect(list.answer(" 3\r") == .item(list.items[2]))
    #expect(list.answer("10") == .item(list.items[9]))
  }

  @Test(arguments: ["q", "quit", " q "])
  func qEndsTheDialogue(_ line: String) { #expect(list.answer(line) == .quit) }

  @Test func anEmptyLineShowsTheListAgain() { #expect(list.answer("  ") == .list) }

  @Test(arguments: ["0", "11", "-1", "1 2", "x", "99999999999999999999", "1.0", "\u{1B}[A"])
  func anyOtherLineIsRefused(_ line: String) {
    guard case .wrong(let reason) = list.answer(line) else {
      Issue.record("'\(line)' was taken")
      return
    }
    #expect(reason.hasSuffix("is not a number from 1 to 10") && !reason.contains("\u{1B}"))
  }

  @Test func anEmptyListRefusesNumbers() {
    #expect(PickList(items: []).answer("1") == .wrong("there are no files to pick"))
  }
}
