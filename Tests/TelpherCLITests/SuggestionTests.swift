import Testing

@testable import TelpherCLI

struct SuggestionTests {
  @Test(arguments: [
    ("rn", "run"), ("rnu", "run"), ("runn", "run"), ("sevre", "serve"), ("gett", "get"),
    ("pu", "put"),
  ])
  func aMistypedNameIsRecognized(_ word: String, _ name: String) {
    #expect(Suggestion.nearest(to: word, among: ["run", "serve", "get", "put", "mkdir"]) == name)
  }

  @Test(arguments: ["", "x", "ls -l", "uptime", "fly"])
  func aDifferentWordIsNotSuggested(_ word: String) {
    #expect(Suggestion.nearest(to: word, among: ["run", "serve", "mkdir"]) == nil)
  }

  @Test func theDistanceIsTheNumberOfChangesOfLetters() {
    #expect(Suggestion.distance("", "abc") == 3)
    #expect(Suggestion.distance("abc", "abc") == 0)
    #expect(Suggestion.distance("run", "rnu") == 1)
    #expect(Suggestion.distance("kitten", "sitting") == 3)
  }
}
