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
    case .upper, .raw: [.streams, .datagrams]
    case .size, .length, .header, .upload: [.streams]
    case .time, .chat: [.datagrams]
    }
  }

  /// Whether who reaches its server can run commands.
  public var runsCommands: Bool {
    switch self {
    case .raw, .size, .length, .header: true
    case .upper, .upload, .time, .chat: false
    }
  }

  /// Whether its server sends text, which an encoding can be chosen for.
  public var hasText: Bool {
    switch self {
    case .raw, .size, .length, .header, .time, .chat: true
    case .upper, .upload: false
    }
  }
}

extension ClassicDialect {
  /// What who starts a server of it at `address` is to know; nil where there is nothing.
  public func warning(at address: ClassicAddress) -> String? {
    guard runsCommands else { return nil }
    var who = "anyone on this machine"
    if case .streams(.unix) = address { who += " who may open the socket" }
    return
      "\(who) can run commands as you through \(address): '\(rawValue)' knows no authentication"
  }
}
