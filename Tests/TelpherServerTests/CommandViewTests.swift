import TelpherAccess
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherServer

struct CommandViewTests {
  @Test func aLoginShellIsShownInWords() {
    var request = RunRequest()
    request.login = true
    let view = CommandView(
      id: .numbered(1), client: .inherited, owner: .owner, request: request, startedAt: 0)
    #expect(view.arguments.shown == ["login", "shell"])
  }
}
