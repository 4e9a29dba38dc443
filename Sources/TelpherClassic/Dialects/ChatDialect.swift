package import TelpherTransport

/// A message of the dialect `chat`, on datagrams.
///
///     friend:    a text in one datagram
///     operator:  a reply in one datagram
///
/// Each side knows the other only by its address; a message does not identify its sender. Several
/// friends may write at once.
package struct ChatMessage: Sendable, Equatable {
  /// The text.
  package var text: String
  /// The address that it came from.
  package var sender: DatagramAddress

  /// Creates a message.
  package init(text: String, sender: DatagramAddress) {
    self.text = text
    self.sender = sender
  }

  /// The message for a terminal, each line after the sender's name. Control characters are
  /// replaced, so that a message cannot control the terminal or imitate another sender's line.
  package func shown(from name: String) -> String {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    return (lines.last == "" && lines.count > 1 ? lines.dropLast() : lines)
      .map { "[\(name)] \(Self.harmless($0))\n" }.joined()
  }

  private static func harmless(_ line: Substring) -> String {
    var text = String.UnicodeScalarView()
    for scalar in line.unicodeScalars where scalar != "\r" {
      let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
      text.append(isControl && scalar != "\t" ? "\u{FFFD}" : scalar)
    }
    return String(text)
  }
}

/// The operator's side of a chat: decides which friend receives each reply.
package struct ChatDesk: Sendable {
  /// What happens to a line that the operator typed.
  package enum Reply: Sendable, Equatable {
    /// Send the text to this address.
    case send(String, to: DatagramAddress)
    /// The line cannot be sent; the text gives the reason.
    case refuse(String)
  }

  /// Messages that wait for a reply. At this limit the oldest is forgotten.
  private static let mostWaiting = 1_000

  /// The senders of the messages that wait for a reply, oldest message first. A friend occurs once
  /// for each message.
  private var waiting: [DatagramAddress] = []
  private var last: DatagramAddress?

  /// Creates a desk without messages.
  package init() {}

  /// Records a message that has arrived.
  package mutating func receive(_ message: ChatMessage) {
    if waiting.count == Self.mostWaiting { waiting.removeFirst() }
    waiting.append(message.sender)
    last = message.sender
  }

  /// Decides where a line of the operator goes: to the friend whose message waits longest, or, if
  /// no message waits, to the friend who wrote last. `@HOST:PORT TEXT` goes to that address.
  package mutating func reply(_ line: String) -> Reply {
    if line.hasPrefix("@") {
      let words = line.dropFirst().split(separator: " ", maxSplits: 1)
      guard words.count == 2, let address = Self.address(words[0]) else {
        return .refuse("to write to an address, type @HOST:PORT TEXT")
      }
      if let index = waiting.firstIndex(of: address) { waiting.remove(at: index) }
      return .send(String(words[1]), to: address)
    }
    guard let friend = waiting.isEmpty ? last : waiting.removeFirst() else {
      return .refuse("no friend has written yet")
    }
    return .send(line, to: friend)
  }

  static func address(_ text: Substring) -> DatagramAddress? {
    let text = text.hasPrefix("udp:") ? String(text) : "udp:\(text)"
    return try? DatagramAddress(parsing: text)
  }
}

/// The list of friends that a client can write to.
package struct ChatFriends: Sendable {
  /// An entry of the list.
  package struct Friend: Sendable, Equatable {
    /// The name that the user picks.
    package var name: String
    /// The address that the friend receives at.
    package var address: DatagramAddress
  }

  /// The friends, in the order of the list.
  package let list: [Friend]

  /// Parses a list. Each line has a name, blanks and HOST:PORT. Empty lines and lines that begin
  /// with `#` are ignored.
  ///
  /// - Throws: `ClassicError` (`badRequest`) for a bad line, an empty list, or a list that mixes
  ///   IPv4 and IPv6 addresses.
  package init(parsing text: String) throws(ClassicError) {
    var list: [Friend] = []
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      guard case .text(let line) = PromptLine(String(line)), !line.hasPrefix("#") else { continue }
      let words = line.split { $0 == " " || $0 == "\t" }
      guard words.count > 1, let address = words.last.flatMap(ChatDesk.address) else {
        throw ClassicError(.badRequest, "line \(number + 1): expected a name and HOST:PORT")
      }
      let name = words.dropLast().joined(separator: " ")
      guard !list.contains(where: { $0.name == name }) else {
        throw ClassicError(.badRequest, "line \(number + 1): there are two friends named '\(name)'")
      }
      list.append(Friend(name: name, address: address))
    }
    guard !list.isEmpty else { throw ClassicError(.badRequest, "the list has no friends") }
    guard Set(list.map { $0.address.host.contains(":") }).count == 1 else {
      throw ClassicError(.badRequest, "the friends' addresses must be all IPv4 or all IPv6")
    }
    self.list = list
  }

  /// The friend of that name.
  package subscript(name: String) -> Friend? { list.first { $0.name == name } }

  /// The name to show for `address`: the name of the friend there, or the address itself. If
  /// several friends have this address, the `picked` one is preferred.
  package func name(of address: DatagramAddress, picked: String? = nil) -> String {
    let there = list.filter { $0.address.isSame(as: address) }
    return (there.first { $0.name == picked } ?? there.first)?.name ?? address.hostAndPort
  }

  /// The address that a client listens at for replies: on the loopback interface if all friends are
  /// there, otherwise on all interfaces.
  package var replyAddress: DatagramAddress {
    let isSix = list.contains { $0.address.host.contains(":") }
    let staysHere = list.allSatisfy { Host.isLoopback($0.address.host) }
    return DatagramAddress(
      host: isSix ? (staysHere ? "::1" : "::") : (staysHere ? "127.0.0.1" : "0.0.0.0"), port: 0)
  }
}

extension DatagramAddress {
  /// `HOST:PORT`.
  package var hostAndPort: String { String(description.dropFirst("udp:".count)) }

  /// Whether both are the same address; `localhost` equals 127.0.0.1.
  func isSame(as other: DatagramAddress) -> Bool {
    func number(_ host: String) -> String { host == "localhost" ? "127.0.0.1" : host }
    return port == other.port && number(host) == number(other.host)
  }
}
