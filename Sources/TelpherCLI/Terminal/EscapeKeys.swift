/// Finds the escapes in what the user types at a remote terminal, as ssh(1) has them: `~` as the
/// first character of a line, and one more.
///
///     inLine ──CR, LF──▸ lineStart ──~──▸ escape ──▸ lineStart, inLine
struct EscapeKeys {
  /// What to do with typed bytes.
  enum Action: Equatable {
    /// Send them.
    case send([UInt8])
    /// End this program: `~.`.
    case end
    /// Stop this program, until the shell continues it: `~` and Ctrl-Z.
    case suspend
    /// End this program and leave the job: `~d`, only for a job.
    case detach
    /// Print the escapes: `~?`.
    case help
  }

  /// Whether the command is a durable job.
  var isJob = false

  /// The lines of the help. The terminal is in raw mode.
  var help: String {
    """
    Escapes, at the start of a line:\r
      ~.   end telpher and the command\r
    \(isJob ? "  ~d   end telpher and leave the command running: see 'telpher attach'\r\n" : "")\
      ~^Z  suspend telpher\r
      ~?   this help\r
      ~~   send one ~\r

    """
  }

  private enum State {
    /// A `~` begins an escape.
    case lineStart
    /// All bytes are sent.
    case inLine
    /// A `~` is held back until the next byte.
    case escape
  }

  private static let tilde = UInt8(ascii: "~")
  private static let controlZ: UInt8 = 0x1A
  private var state = State.lineStart

  /// Takes typed bytes. Actions come in the order of the bytes, and none follows `end`.
  mutating func receive(_ bytes: [UInt8]) -> [Action] {
    var actions: [Action] = []
    var plain: [UInt8] = []
    func act(_ action: Action) {
      if !plain.isEmpty { actions.append(.send(plain)) }
      plain = []
      actions.append(action)
    }
    for byte in bytes {
      switch state {
      case .lineStart where byte == Self.tilde: state = .escape
      case .lineStart, .inLine:
        plain.append(byte)
        state = Self.state(after: byte)
      case .escape:
        switch byte {
        case UInt8(ascii: "."):
          act(.end)
          return actions
        case UInt8(ascii: "d") where isJob:
          act(.detach)
          return actions
        case Self.controlZ: act(.suspend)
        case UInt8(ascii: "?"): act(.help)
        case Self.tilde:
          plain.append(byte)
          state = .inLine
          continue
        default:
          plain += [Self.tilde, byte]
          state = Self.state(after: byte)
          continue
        }
        state = .lineStart
      }
    }
    if !plain.isEmpty { actions.append(.send(plain)) }
    return actions
  }

  private static func state(after byte: UInt8) -> State {
    byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n") ? .lineStart : .inLine
  }
}
