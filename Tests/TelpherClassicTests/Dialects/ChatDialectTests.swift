import TelpherTransport
import Testing

@testable import TelpherClassic

struct ChatMessageTests {
  private func shown(_ text: String) -> String {
    ChatMessage(text: text, sender: DatagramAddress(host: "127.0.0.1", port: 1)).shown(from: "alex")
  }

  @Test func eachLineShowsItsSender() {
    #expect(shown("hello") == "[alex] hello\n")
    #expect(shown("one\ntwo\n") == "[alex] one\n[alex] two\n")
    #expect(shown("") == "[alex] \n")
  }

  @Test func controlCharactersAreReplaced() {
    #expect(shown("\u{1B}[2Jx\u{7F}\u{9B}y\tz") == "[alex] \u{FFFD}[2Jx\u{FFFD}\u{FFFD}y\tz\n")
    // After a carriage return, the next text would overwrite the sender's name.
    #expect(shown("hi\r[boss] hi") == "[alex] hi[boss] hi\n")
  }
}

struct ChatDeskTests {
  private let one = DatagramAddress(host: "127.0.0.1", port: 1)
  private let two = DatagramAddress(host: "127.0.0.1", port: 2)

  private func message(_ sender: DatagramAddress) -> ChatMessage {
    ChatMessage(text: "x", sender: sender)
  }

  @Test func messagesAreAnsweredInOrder() {
    var desk = ChatDesk()
    for sender in [one, two, one] { desk.receive(message(sender)) }
    #expect(desk.reply("a") == .send("a", to: one))
    #expect(desk.reply("b") == .send("b", to: two))
    #expect(desk.reply("c") == .send("c", to: one))
    // No message waits: the reply goes to the friend who wrote last.
    #expect(desk.reply("d") == .send("d", to: one))
  }

  @Test func aReplyByAddressAnswersThatFriendsMessage() {
    var desk = ChatDesk()
    for sender in [one, two] { desk.receive(message(sender)) }
    #expect(desk.reply("@127.0.0.1:1 a b") == .send("a b", to: one))
    #expect(desk.reply("c") == .send("c", to: two))
    #expect(desk.reply("@udp:[::1]:9 d") == .send("d", to: DatagramAddress(host: "::1", port: 9)))
  }

  @Test func invalidRepliesAreRefused() {
    var desk = ChatDesk()
    for line in ["hello", "@nobody hello", "@127.0.0.1:1", "@"] {
      guard case .refuse = desk.reply(line) else {
        Issue.record("'\(line)' was accepted")
        continue
      }
    }
  }
}

struct ChatFriendsTests {
  @Test func friendsAreParsedAndFound() throws {
    let friends = try ChatFriends(
      parsing: "# all\n狗哥 alex\t127.0.0.1:8081\n\nb udp:localhost:2\r\n")
    #expect(friends.list.map(\.name) == ["狗哥 alex", "b"])
    #expect(friends["b"]?.address == DatagramAddress(host: "localhost", port: 2))
    #expect(friends["c"] == nil)
    #expect(friends.name(of: DatagramAddress(host: "127.0.0.1", port: 2)) == "b")
    #expect(friends.name(of: DatagramAddress(host: "127.0.0.1", port: 3)) == "127.0.0.1:3")
    #expect(friends.replyAddress == DatagramAddress(host: "127.0.0.1", port: 0))
  }

  @Test func remoteFriendsNeedAnAddressOnAllInterfaces() throws {
    #expect(try ChatFriends(parsing: "a 10.0.0.1:1").replyAddress.host == "0.0.0.0")
    #expect(try ChatFriends(parsing: "a [::1]:1").replyAddress.host == "::1")
  }

  @Test(arguments: [
    "", "# nobody", "alex", "alex 127.0.0.1", "a 1.1.1.1:1\na 1.1.1.1:2",
    "a 127.0.0.1:1\nb [::1]:2",
  ])
  func invalidListsAreRefused(_ text: String) {
    let error = #expect(throws: ClassicError.self) { try ChatFriends(parsing: text) }
    #expect(error?.code == .badRequest)
  }
}
