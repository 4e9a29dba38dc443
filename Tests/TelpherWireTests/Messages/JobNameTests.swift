import Testing
import TelpherWire

@Suite struct JobNameTests {
  private static let id = String(repeating: "0123456789abcdef", count: 2)

  /// Digits alone are the ids of other commands, and 32 hexadecimal digits that of a job.
  @Test func aNameIsNoIDOfAnotherCommand() {
    for name in ["a", "build", "7z", "1.2", "a_b-c.d", String(repeating: "x", count: 64)] {
      #expect(RunRequest.isJobName(name))
    }
    for name in [
      "", "28", "0", Self.id, "-a", "a/b", "ä", "a b", String(repeating: "x", count: 65),
    ] {
      #expect(!RunRequest.isJobName(name))
    }
  }

  @Test func aReferenceMayBeTheBeginningOfAnID() {
    for text in [Self.id, "01234567", "12345678", "build"] {
      #expect(RunRequest.isJobReference(text))
    }
    for text in ["", "../x", "a b", "-x"] { #expect(!RunRequest.isJobReference(text)) }
  }
}
