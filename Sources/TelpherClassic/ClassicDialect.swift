internal import TelpherTransport

/// The tutorials' protocols, by the names that `telpher classic` gives them. What each has on the
/// wire stands above its code in the folder Dialects.
public enum ClassicDialect: String, Sendable, CaseIterable {
  /// Bytes, answered in upper case.
  case upper
  /// Commands without any framing.
  case raw
  /// The answer's size as decimal text, an acknowledgement, the answer.
  case size
  /// The answer's length in 4 bytes, the answer.
  case length
  /// The length of a dictionary in 4 bytes, the dictionary, the answer.
  case header
  /// Files for the server, each behind a dictionary.
  case upload
  /// The time of day in a format.
  case time
  /// Lines of text between an operator and friends.
  case chat
  /// Any message, answered with one fixed text.
  case reply

  /// What carries a dialect.
  public enum Carrier: String, Sendable {
    /// TCP and Unix sockets.
    case streams = "tcp"
    /// UDP.
    case datagrams = "udp"
  }

  /// What carries it.
  public var carriers: Set<Carrier> {
    switch self {
    case .upper, .raw, .reply: [.streams, .datagrams]
    case .size, .length, .header, .upload: [.streams]
    case .time, .chat: [.datagrams]
    }
  }

  /// Whether who reaches its server can run commands.
  public var runsCommands: Bool {
    switch self {
    case .raw, .size, .length, .header: true
    case .upper, .upload, .time, .chat, .reply: false
    }
  }

  /// Whether who reaches its server can store files.
  public var storesFiles: Bool { self == .upload }

  /// Whether its server sends text, which an encoding can be chosen for.
  public var hasText: Bool {
    switch self {
    case .raw, .size, .length, .header, .time, .chat, .reply: true
    case .upper, .upload: false
    }
  }
}

extension ClassicDialect {
  /// What the user who starts a server of it at `address` has to know: it runs commands or stores
  /// files, in the folder `root`, for everyone who reaches it. Nil for a server that does neither.
  public func warning(at address: ClassicAddress, root: String?) -> String? {
    guard runsCommands || storesFiles else { return nil }
    var who = "anyone on this machine"
    if case .streams(.unix) = address { who += " who may open the socket" }
    let what = runsCommands ? "run commands" : "store files in \(root ?? "its folder")"
    return "\(who) can \(what) as you through \(address): '\(rawValue)' knows no authentication"
  }
}
