import Testing

@testable import TelpherClassic

struct PromptLineTests {
  @Test(arguments: ["", "  ", "\t\r\n", "\r"])
  func blankLinesAreEmpty(_ line: String) { #expect(PromptLine(line) == .empty) }

  @Test(arguments: ["quit", " quit\r\n", "quit "])
  func quitIsRecognized(_ line: String) { #expect(PromptLine(line) == .quit) }

  @Test func blanksAroundTextDoNotCount() {
    #expect(PromptLine("  echo 'a  b' \n") == .text("echo 'a  b'"))
    #expect(PromptLine("quit now") == .text("quit now"))
  }
}
