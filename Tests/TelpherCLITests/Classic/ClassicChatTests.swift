import Glibc
import Testing

@Suite(.enabled(if: ClassicStage.hasPython))
struct ClassicChatTests {
  let stage: ClassicStage
  init() throws { stage = try ClassicStage() }

  private func startOperator(
    _ arguments: [String] = ["chat"]
  ) async throws -> ClassicStage.Running {
    let host = try stage.sandbox.start(
      ["classic"] + arguments + ["--listen", "udp:127.0.0.1:0"], input: .pipe)
    let line = try #require(await host.line())
    return .init(server: host, address: String(line.dropFirst("listening on ".count)))
  }

  @Test(arguments: [["chat"], ["serve", "chat"]])
  func theOperatorAnswersTheLongestWaitingFriend(_ arguments: [String]) async throws {
    let host = try await startOperator(arguments)
    let first = try stage.python("chat", ["friend", host.port, "hello", "are you 好?"])
    #expect(await host.server.line()?.hasSuffix("] hello") == true)
    let second = try stage.python("chat", ["friend", host.port, "me too"])
    #expect(await host.server.line()?.hasSuffix("] me too") == true)
    await host.server.write("to the first\n\nto the second\n")
    #expect(await first.line() == "to the first")
    #expect(await second.finish().text == "to the second\n")
    #expect(await host.server.line()?.hasSuffix("] are you 好?") == true)
    await host.server.write("fine 好\nquit\n")
    #expect(await first.finish().text == "fine 好\n")
    #expect(await host.server.finish().status == 0)
  }

  @Test func aReplyCanGoToAnAddress() async throws {
    let host = try await startOperator()
    let first = try stage.python("chat", ["friend", host.port, "one"])
    let line = try #require(await host.server.line())
    let address = try #require(line.split(separator: "]").first?.dropFirst())
    let second = try stage.python("chat", ["friend", host.port, "two"])
    let other = try #require(await host.server.line()?.split(separator: "]").first?.dropFirst())
    await host.server.write("@\(other) for two\n@\(address) for one\n")
    #expect(await first.finish().text == "for one\n")
    #expect(await second.finish().text == "for two\n")
    #expect(await host.end().status == 0)
  }

  @Test func aReplyBeforeTheFirstMessageIsRefused() async throws {
    let host = try await startOperator()
    await host.server.write("hello?\nquit\n")
    let ended = await host.server.finish()
    #expect(ended.errorText.contains("no friend has written yet"))
    #expect(ended.status == 0)
  }

  @Test func theOperatorReceivesAfterTheEndOfItsInput() async throws {
    let host = try await startOperator()
    host.server.closeInput()
    let friend = try stage.python("chat", ["friend", host.port, "anybody?"])
    #expect(await host.server.line()?.hasSuffix("] anybody?") == true)
    #expect(await host.end().status == 0)
    friend.signal(SIGKILL)
  }

  @Test func aFriendIsPickedByName() async throws {
    let alex = try await stage.pythonServer("chat", "operator", kind: "udp")
    let wusir = try await stage.pythonServer("chat", "operator", kind: "udp")
    let file = stage.sandbox.folder + "/friends"
    stage.sandbox.write(
      "# my friends\n\nalex 127.0.0.1:\(alex.port)\n武 Sir  localhost:\(wusir.port)\n", to: file)
    let talk = try await stage.sandbox.telpher(
      "classic", "chat", "--friends", file,
      input: "nobody\nalex\nhello\n\n你好\nquit\n武 Sir\nand you\nquit\nquit\nalex\nlost\n")
    let list = "alex  127.0.0.1:\(alex.port)\n武 Sir  localhost:\(wusir.port)\n"
    #expect(
      talk.text == list + "[alex] you said: hello\n[alex] you said: 你好\n" + list
        + "[武 Sir] you said: and you\n" + list)
    #expect(talk.errorText.contains("no friend 'nobody'"))
    #expect(talk.status == 0)
  }

  @Test func repliesShowTheNameOfThePickedFriend() async throws {
    let host = try await stage.pythonServer("chat", "operator", kind: "udp")
    let file = stage.sandbox.folder + "/friends"
    stage.sandbox.write("alex 127.0.0.1:\(host.port)\nbob 127.0.0.1:\(host.port)\n", to: file)
    let talk = try await stage.sandbox.telpher(
      "classic", "chat", "--friends", file,
      input: "bob\nhello\nquit\nalex\nhi\nquit\nquit\n")
    #expect(talk.text.contains("[bob] you said: hello\n"))
    #expect(talk.text.contains("[alex] you said: hi\n"))
    #expect(talk.status == 0)
  }

  @Test func messagesAreConvertedInBothDirections() async throws {
    let friend = try await stage.pythonServer("chat", "operator", "gbk", kind: "udp")
    let file = stage.sandbox.folder + "/friends"
    stage.sandbox.write("alex 127.0.0.1:\(friend.port)\n", to: file)
    let talk = try await stage.sandbox.telpher(
      "classic", "chat", "--friends", file, "--encoding", "gbk", input: "alex\n你好\n")
    #expect(talk.text.hasSuffix("[alex] you said: 你好\n"))
  }
}
