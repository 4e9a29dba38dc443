public import TelpherTransport

/// `chat` on datagrams
///
///     friend:    a text in one datagram
///     operator:  a reply in one datagram
///
/// Each side's address is the other one's name for it; nothing says who somebody is. Several friends
/// may write at once.
public struct ChatMessage: Sendable, Equatable {
  /// What was written, in UTF-8.
  public var text: String
  /// Who wrote it.
  public var sender: DatagramAddress

  /// A message.
  public init(text: String, sender: DatagramAddress) {
    self.text = text
    self.sender = sender
  }

  /// The message for a terminal, each of its lines with who it came from. What would steer the
  /// terminal is replaced, so that nobody writes what looks like another's line.
  public func shown(from name: String) -> String {
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

/// The operator's side of a chat: whose message is to be answered next.
public struct ChatDesk: Sendable {
  /// What becomes of a line that the operator typed.
  public enum Reply: Sendable, Equatable {
    /// It goes to somebody.
    case send(String, to: DatagramAddress)
    /// It can't; this says why.
    case refuse(String)
  }

  /// Friends whose messages wait for an answer; beyond that the oldest is forgotten.
  private static let mostWaiting = 1_000

  /// Who waits for an answer, once for each message, the longest waiting first.
  private var waiting: [DatagramAddress] = []
  private var last: DatagramAddress?

  /// A desk where nobody has written.
  public init() {}

  /// A message has come.
  public mutating func receive(_ message: ChatMessage) {
    if waiting.count == Self.mostWaiting { waiting.removeFirst() }
    waiting.append(message.sender)
    last = message.sender
  }

  /// The operator's line: for who waits longest, or else for who wrote last. `@HOST:PORT TEXT` is for
  /// who is named.
  public mutating func reply(_ line: String) -> Reply {
    if line.hasPrefix("@") {
      let words = line.dropFirst().split(separator: " ", maxSplits: 1)
      guard words.count == 2, let address = Self.address(words[0]) else {
        return .refuse("write @HOST:PORT and then the text")
      }
      if let index = waiting.firstIndex(of: address) { waiting.remove(at: index) }
      return .send(String(words[1]), to: address)
    }
    guard let friend = waiting.isEmpty ? last : waiting.removeFirst() else {
      return .refuse("nobody has written yet")
    }
    return .send(line, to: friend)
  }

  static func address(_ text: Substring) -> DatagramAddress? {
    let text = text.hasPrefix("udp:") ? String(text) : "udp:\(text)"
    return try? DatagramAddress(parsing: text)
  }
}

/// The friends that a client can write to.
public struct ChatFriends: Sendable {
  /// A friend.
  public struct Friend: Sendable, Equatable {
    /// The name to pick it by.
    public var name: String
    /// Where it receives.
    public var address: DatagramAddress
  }

  /// The friends, in the order of the list.
  public let list: [Friend]

  /// Reads a list: on each line a name, blanks and HOST:PORT. Empty lines and what follows a `#` at
  /// a line's beginning don't count.
  ///
  /// - Throws: `ClassicError` (`badRequest`) that names the line.
  public init(parsing text: String) throws(ClassicError) {
    var list: [Friend] = []
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      guard case .text(let line) = PromptLine(String(line)), !line.hasPrefix("#") else { continue }
      let words = line.split { $0 == " " || $0 == "\t" }
      guard words.count > 1, let address = words.last.flatMap(ChatDesk.address) else {
        throw ClassicError(.badRequest, "line \(number + 1): write a name and HOST:PORT")
      }
      let name = words.dropLast().joined(separator: " ")
      guard !list.contains(where: { $0.name == name }) else {
        throw ClassicError(.badRequest, "line \(number + 1): there are two friends named '\(name)'")
      }
      list.append(Friend(name: name, address: address))
    }
    guard !list.isEmpty else { throw ClassicError(.badRequest, "there are no friends in the list") }
    guard Set(list.map { $0.address.host.contains(":") }).count == 1 else {
      throw ClassicError(.badRequest, "friends have IPv4 addresses all, or IPv6 addresses")
    }
    self.list = list
  }

  /// The friend of that name.
  public subscript(name: String) -> Friend? { list.first { $0.name == name } }

  /// What a friend at `address` is called: by its name, or else by the address. Of several friends
  /// at that address it is the one of that name who is `picked`.
  public func name(of address: DatagramAddress, picked: String? = nil) -> String {
    let there = list.filter { $0.address.isSame(as: address) }
    return (there.first { $0.name == picked } ?? there.first)?.name ?? address.hostAndPort
  }

  /// Where a client listens for their replies: on the loopback interface where all friends are there.
  public var replyAddress: DatagramAddress {
    let isSix = list.contains { $0.address.host.contains(":") }
    let staysHere = list.allSatisfy { Host.isLoopback($0.address.host) }
    return DatagramAddress(
      host: isSix ? (staysHere ? "::1" : "::") : (staysHere ? "127.0.0.1" : "0.0.0.0"), port: 0)
  }
}

extension DatagramAddress {
  /// `HOST:PORT`.
  public var hostAndPort: String { String(description.dropFirst("udp:".count)) }

  /// Whether both are one: `localhost` is 127.0.0.1.
  func isSame(as other: DatagramAddress) -> Bool {
    func number(_ host: String) -> String { host == "localhost" ? "127.0.0.1" : host }
    return port == other.port && number(host) == number(other.host)
  }
}
