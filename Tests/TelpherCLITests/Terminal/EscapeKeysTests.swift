import Testing

@testable import TelpherCLI

@Suite struct EscapeKeysTests {
  private func actions(_ pieces: String...) -> [EscapeKeys.Action] {
    var keys = EscapeKeys()
    var actions: [EscapeKeys.Action] = []
    for action in pieces.flatMap({ keys.receive(Array($0.utf8)) }) {
      if case .send(let more) = action, case .send(let bytes)? = actions.last {
        actions[actions.count - 1] = .send(bytes + more)
      } else {
        actions.append(action)
      }
    }
    return actions
  }

  private func send(_ text: String) -> EscapeKeys.Action { .send(Array(text.utf8)) }

  @Test func anEscapeIsFoundAtTheStartOfALine() {
    #expect(actions("~.") == [.end])
    #expect(actions("ls\r~.rest") == [send("ls\r"), .end])
    #expect(actions("ls\n~?x") == [send("ls\n"), .help, send("x")])
    #expect(actions("~\u{1A}") == [.suspend])
  }

  @Test func aTildeWithinALineIsSent() {
    #expect(actions("a~.") == [send("a~.")])
    #expect(actions("cd ~\r") == [send("cd ~\r")])
  }

  @Test func twoTildesSendOne() {
    #expect(actions("~~.") == [send("~.")])
  }

  @Test func anotherKeyAfterATildeIsSentWithIt() {
    #expect(actions("~/bin/a\r") == [send("~/bin/a\r")])
    #expect(actions("~\r~.") == [send("~\r"), .end])
  }

  @Test func anEscapeFollowsAnother() {
    #expect(actions("~?~?~.") == [.help, .help, .end])
  }

  @Test func anEscapeMayComeInPieces() {
    #expect(actions("a\r", "~", ".") == [send("a\r"), .end])
    #expect(actions("~", "a") == [send("~a")])
    // Nothing is sent before it is known whether it is an escape.
    var keys = EscapeKeys()
    #expect(keys.receive([UInt8(ascii: "~")]) == [])
  }
}
