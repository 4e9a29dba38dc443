internal import TelpherClassic
internal import TelpherTransport

/// A friend's side of a chat, on this process's standard streams.
struct ChatClient {
  let socket: ChatSocket
  let friends: ChatFriends

  /// How long a reply is waited for before the next line is asked for, in nanoseconds.
  private static let patience: UInt64 = 10_000_000_000

  /// Talks until `quit` at the list, or the end of standard input.
  ///
  /// - Throws: `Failure`, `TransportError` where no socket can be opened.
  func run() async throws {
    try await socket.open(for: friends)
    // What nobody waits for, a second reply say, is printed when it comes.
    let picked = Picked()
    Task {
      for await message in socket.messages { try? show(message, picked: await picked.name) }
    }
    let prompt = Prompt()
    try showList()
    while let name = try await prompt.next() {
      guard let friend = friends[name] else {
        Descriptor.complain("there is no friend '\(name)' in the list")
        continue
      }
      await picked.pick(friend.name)
      while let text = try await prompt.next() { try await talk(text, to: friend) }
      if await prompt.hasEnded { break }
      try showList()
    }
    await socket.close()
  }

  private func talk(_ text: String, to friend: ChatFriends.Friend) async throws {
    do {
      let reply = try await socket.send(text, to: friend.address, waiting: Self.patience)
      guard let reply else { return Descriptor.complain("\(friend.name) has not replied yet") }
      try show(reply, picked: friend.name)
    } catch let error as TransportError {
      Descriptor.complain(error.message)
    }
  }

  /// - Parameter picked: the friend that is talked to, of those at one address.
  private func show(_ message: ChatMessage, picked: String?) throws(Failure) {
    let name = friends.name(of: message.sender, picked: picked)
    try Descriptor.output.print(message.shown(from: name))
  }

  private func showList() throws(Failure) {
    try Descriptor.output.print(
      friends.list.map { "\($0.name)  \($0.address.hostAndPort)\n" }.joined())
  }
}

/// The friend that was picked last.
private actor Picked {
  private(set) var name: String?

  func pick(_ name: String) { self.name = name }
}
