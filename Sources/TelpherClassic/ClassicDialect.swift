internal import TelpherTransport

/// The protocols of the Python socket tutorials, by the names that `telpher classic` uses. The
/// folder Dialects has a file for each; its bytes are described above the code.
package enum ClassicDialect: String, Sendable, CaseIterable {
  /// Answers bytes with the same bytes in upper case.
  case upper
  /// Runs commands, without any framing.
  case raw
  /// Runs commands: the answer's size as decimal text, an acknowledgement, the answer.
  case size
  /// Runs commands: the answer's length in 4 bytes, the answer.
  case length
  /// Runs commands: the length of a dictionary in 4 bytes, the dictionary, the answer.
  case header
  /// Stores files, each after a dictionary that describes it.
  case upload
  /// Answers with the time of day in a given format.
  case time
  /// Passes lines of text between an operator and friends.
  case chat
  /// Answers every message with one fixed text.
  case reply

  /// A kind of transport.
  package enum Carrier: String, Sendable {
    /// TCP and Unix sockets.
    case streams = "tcp"
    /// UDP.
    case datagrams = "udp"
  }

  /// The transports that the dialect works on.
  package var carriers: Set<Carrier> {
    switch self {
    case .upper, .raw, .reply: [.streams, .datagrams]
    case .size, .length, .header, .upload: [.streams]
    case .time, .chat: [.datagrams]
    }
  }

  /// Whether any client of its server can run commands.
  package var runsCommands: Bool {
    switch self {
    case .raw, .size, .length, .header: true
    case .upper, .upload, .time, .chat, .reply: false
    }
  }

  /// Whether any client of its server can store files.
  package var storesFiles: Bool { self == .upload }

  /// Whether its server sends text, so that an encoding can be chosen.
  package var hasText: Bool {
    switch self {
    case .raw, .size, .length, .header, .time, .chat, .reply: true
    case .upper, .upload: false
    }
  }
}

extension ClassicDialect {
  /// A warning for the user who starts a server of this dialect at `address`: it runs commands, or
  /// stores files in the folder `root`, for every client. Nil if the server does neither.
  package func warning(at address: ClassicAddress, root: String?) -> String? {
    guard runsCommands || storesFiles else { return nil }
    var who = "anyone on this machine"
    if case .streams(.unix) = address { who += " who may open the socket" }
    let what = runsCommands ? "run commands" : "store files in \(root ?? "its folder")"
    return "\(who) can \(what) as you through \(address): '\(rawValue)' has no authentication"
  }
}
