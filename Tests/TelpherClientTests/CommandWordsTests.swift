import TelpherClient
import Testing

/// The splitting and quoting of command lines.
struct CommandWordsTests {
  @Test(
    arguments: [
      ("", []), ("  ", []), ("a  b\tc", ["a", "b", "c"]), ("'a b' c", ["a b", "c"]),
      ("'' \"\"", ["", ""]), (#"a\ b \\ \'"#, ["a b", #"\"#, "'"]),
      (#""a\"b\\c\d$x""#, [#"a"b\c\d$x"#]), ("a'b'\"c\"d", ["abcd"]),
      ("$x `y` ; | & * ?", ["$x", "`y`", ";", "|", "&", "*", "?"]),
    ] as [(String, [String])])
  func linesAreSplitAtSpacesOutsideOfQuotes(_ line: String, _ words: [String]) {
    #expect(CommandWords.split(line) == words)
  }

  @Test(arguments: ["'a", "\"a", "a\\", "\"a\\", "'a\\'b'"])
  func anOpenQuoteIsAnError(_ line: String) {
    #expect(CommandWords.split(line) == nil)
  }

  @Test(arguments: [
    ["a", "b"], ["a b"], [""], ["it's"], ["\"", "\\", "$x", "~", "*", "a\nb", "é", "\u{301}"],
    ["'\u{301}"],
  ])
  func quotedWordsAreSplitToThemselves(_ words: [String]) {
    #expect(CommandWords.split(CommandWords.joined(words)) == words)
  }

  @Test(arguments: [
    ("telpher", "telpher"), ("/a/b-c_d.e", "/a/b-c_d.e"), ("a b", "'a b'"), ("~", "'~'"),
    ("it's", #"'it'\''s'"#), ("", "''"), ("$x", "'$x'"),
  ])
  func onlyWordsThatAShellWouldChangeAreQuoted(_ word: String, _ quoted: String) {
    #expect(CommandWords.quoted(word) == quoted)
  }
}
