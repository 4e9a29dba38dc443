internal import TelpherClassic
internal import TelpherTransport

/// A friend's side of a chat, on standard input and output.
struct ChatClient {
  let socket: ChatSocket
  let friends: ChatFriends

  /// How long to wait for a reply before the next prompt, in nanoseconds.
  private static let patience: UInt64 = 10_000_000_000

  /// Runs until the user types `quit` at the list, or standard input ends.
  ///
  /// - Throws: `TransportError` if the socket cannot be opened, `Failure` if standard input or
  ///   output fails.
  func run() async throws {
    try await socket.open(for: friends)
    // Messages that no `talk` waits for, such as a second reply, are printed when they arrive.
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

  /// - Parameter picked: the friend to name if several friends have the sender's address.
  private func show(_ message: ChatMessage, picked: String?) throws(Failure) {
    let name = friends.name(of: message.sender, picked: picked)
    try Descriptor.output.print(message.shown(from: name))
  }

  private func showList() throws(Failure) {
    try Descriptor.output.print(
      friends.list.map { "\($0.name)  \($0.address.hostAndPort)\n" }.joined())
  }
}

/// The friend that the user picked last.
private actor Picked {
  private(set) var name: String?

  func pick(_ name: String) { self.name = name }
}
