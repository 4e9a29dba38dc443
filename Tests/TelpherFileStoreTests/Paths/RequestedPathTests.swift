import TelpherFileStore
import TelpherTestSupport
import Testing

@Suite struct RequestedPathTests {
  @Test(arguments: [
    ("", "", false, true), ("a/b", "a/b", false, false), ("./a", "a", false, false),
    ("a/", "a", false, true), ("a/.", "a", false, true), (".", "", false, true),
    ("~", "", false, true), ("~/", "", false, true), ("~/a", "a", false, false),
    ("~//a/", "a", false, true), ("~a", "~a", false, false), ("./~", "~", false, false),
    ("a/~", "a/~", false, false), ("/", "", true, true), ("/a", "a", true, false),
    ("//a/b/", "a/b", true, true), ("/~", "~", true, false), ("a.", "a.", false, false),
  ])
  func aPathSaysWhereItStartsAndWhetherItIsAFolder(
    text: String, path: String, isFromSlash: Bool, mustBeFolder: Bool
  ) throws {
    let requested = try RequestedPath(text.bytes)
    #expect(requested.path.bytes == path.bytes)
    #expect((requested.start == .slash) == isFromSlash)
    #expect(requested.mustBeFolder == mustBeFolder)
    #expect(requested.written == (isFromSlash ? "/" + path : path).bytes)
  }

  @Test(arguments: [
    "..", "/..", "~/..", "/a/../b", "a\0b", "/" + String(repeating: "x", count: 256),
  ])
  func invalidPathIsRefused(text: String) {
    #expect(code { _ = try RequestedPath(text.bytes) } == .badPath)
  }

  @Test func messagesShowThePathAsItWasWritten() throws {
    let path = try RequestedPath("/a/b".bytes).path
    #expect("\(path)" == "/a/b")
    #expect("\(path.parent.parent)" == "/")
    #expect("\(try path.appending("c".bytes))" == "/a/b/c")
    #expect(path == "a/b")
  }
}
