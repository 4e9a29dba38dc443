internal import Synchronization
internal import TelpherAccess
internal import TelpherTransport
internal import TelpherWire

/// The part of a command's state that any thread may read, for lists of running commands. The
/// command itself belongs to one loop.
final class CommandView: Sendable {
  /// What a command does at the moment.
  struct Moment: Sendable {
    var state = CommandRecord.State.starting
    /// Its process id from its start to its end: until then it belongs to the command.
    var pid: Int32?
  }

  /// Its id in the server's table.
  let id: JobID
  /// The client that started it.
  let client: PeerIdentity
  /// The identity that it belongs to. Only clients with this identity and the server's owner see
  /// it.
  let owner: Identity
  /// When it was requested: the time of its loop's clock, which all loops of a server share.
  let startedAt: UInt64
  /// Its first arguments, and whether others are left out.
  let arguments: (shown: [ByteText], areCut: Bool)
  private let state = Mutex(Moment())

  /// A command that has not started.
  init(
    id: JobID, client: PeerIdentity, owner: Identity, request: RunRequest, startedAt: UInt64
  ) {
    self.id = id
    self.owner = owner
    self.client = client
    self.startedAt = startedAt
    arguments = Self.cut(request)
  }

  /// What it does now.
  var moment: Moment { state.withLock { $0 } }

  /// Changes what it does.
  func update(_ change: (inout Moment) -> Void) { state.withLock { change(&$0) } }

  /// The arguments of a request, as many bytes of them as a list contains.
  private static func cut(_ request: RunRequest) -> ([ByteText], Bool) {
    var all = request.argv ?? []
    if let line = request.shell {
      all = (request.login == true ? [] : [ByteText("/bin/sh"), ByteText("-c")]) + [line]
    } else if request.login == true {
      all = [ByteText("login"), ByteText("shell")]
    }
    var left = WireConstants.maxListedArguments
    for (index, argument) in all.enumerated() {
      // One more byte stands for the space between two arguments.
      let length = argument.bytes.count + 1
      guard length <= left else {
        let last = left > 1 ? [cut(argument, to: left - 1)] : []
        return (all[..<index] + last, true)
      }
      left -= length
    }
    return (all, false)
  }
}

extension CommandView {
  /// The beginning of `text`. A text is not cut within a character, which would turn it into bytes.
  private static func cut(_ text: ByteText, to limit: Int) -> ByteText {
    let bytes = Array(text.bytes.prefix(limit))
    for length in stride(from: bytes.count, through: max(0, bytes.count - 3), by: -1) {
      let prefix = Array(bytes.prefix(length))
      if String(validating: prefix, as: UTF8.self) != nil { return ByteText(prefix) }
    }
    return ByteText(bytes)
  }
}

extension CommandRecord {
  /// The record of a command.
  ///
  /// - Parameter load: what its processes use; nil if they were not found.
  init(_ view: CommandView, _ moment: CommandView.Moment, load: TreeLoad?, now: UInt64) {
    self.init(
      id: view.id.text, client: "\(view.client)", pid: moment.pid, state: moment.state,
      ageMS: now > view.startedAt ? (now - view.startedAt) / 1_000_000 : 0,
      cpuMS: Double(load?.cpuMicroseconds ?? 0) / 1_000, memoryBytes: load?.memoryBytes ?? 0,
      processes: load?.processes ?? 0, argv: view.arguments.shown,
      isCut: view.arguments.areCut ? true : nil)
  }
}

extension JobID {
  /// The id in the protocol.
  var text: String {
    switch self {
    case .named(let name): name
    case .numbered(let number): "\(number)"
    }
  }

  /// The id that has this text.
  init(text: String) {
    if text.utf8.count <= 20, let number = UInt64(text), "\(number)" == text {
      self = .numbered(number)
    } else {
      self = .named(text)
    }
  }
}
