internal import Glibc
internal import TelpherText
package import TelpherWire

/// A line of the audit file. Values of environment variables are never in it.
package struct AuditRecord: Codable, Sendable, Equatable {
  /// What happened.
  package enum Event: String, Codable, Sendable {
    /// A client was refused before it had proved who it is, or because there was no room for it.
    case refused
    /// A client has proved who it is.
    case connect
    /// Its connection has ended.
    case disconnect
    /// It has asked for an operation.
    case start
    /// It is about to write these paths, or to make these folders.
    case write
    /// The operation, as far as this connection is concerned, has ended.
    case end
  }

  /// When, in UTC: `2026-01-31T12:00:00.123Z`.
  package var time: String
  /// What.
  package var event: Event
  /// The number of the connection in this server's process; 0 for a refused client.
  package var connection: UInt64
  /// The server's process id.
  package var pid: Int32
  /// The client's identity: the fingerprint of a key, a name in a certificate, or `owner`; `unknown` for
  /// a refused client.
  package var identity: String
  /// How that was proved: `owner`, `key` or `certificate`; `none` for a refused client.
  package var proof: String
  /// What a refused client claims: the fingerprints of the keys that it has tried, or the URI or DNS name
  /// and the subject of its certificate.
  package var tried: [String]?
  /// The number of refused clients of this record, which have no records of their own.
  package var count: Int?
  /// Where the client connected from: an address, or a process and user of this machine; empty if
  /// the record is about several clients.
  package var source: String
  /// The number of the operation on its connection.
  package var stream: UInt32?
  /// The operation, as in the protocol.
  package var op: String?
  /// The program and its arguments.
  package var argv: [ByteText]?
  /// The line for a shell.
  package var shell: ByteText?
  /// Whether it is a login shell, which runs `shell` or commands that are typed.
  package var login: Bool?
  /// Whether it runs on a terminal.
  package var terminal: Bool?
  /// The working directory that was asked for.
  package var cwd: ByteText?
  /// The path of a file, the address of a socket, or the id of a command or job.
  package var target: ByteText?
  /// The new path of what is renamed.
  package var to: ByteText?
  /// The paths of further files and folders that are read.
  package var others: [ByteText]?
  /// The absolute paths that are written. One record has at most `CommitGroup.mostFiles` of them; a
  /// longer `put` has several records.
  package var paths: [ByteText]?
  /// What a `put` of a tree has stored, in numbers.
  package var tree: TreeCounts?
  /// The id of the user as whom it is done.
  package var user: UInt32?
  /// How it ended, as in the protocol's CLOSE; `lost` or `reset` without one.
  package var result: String?
  /// The exit status.
  package var code: Int32?
  /// The signal that ended the command.
  package var signal: Int32?
  /// Why it was refused or failed.
  package var message: String?
  /// The bytes of both outputs, by channel.
  package var bytes: [String: UInt64]?
  /// How long it took, in milliseconds.
  package var ms: UInt64?

  /// How many bytes of arguments, lines and paths are left out, because they are longer than
  /// `maxRequestBytes`; nil for none.
  package var cut: Int?

  /// The record of a refused client.
  init(refusedFrom source: String, _ why: String, tried: [String]) {
    self.init(
      time: Self.now(), event: .refused, connection: 0, pid: Self.ownPID, identity: "unknown",
      proof: "none", source: source)
    if !tried.isEmpty { self.tried = tried }
    message = why
  }

  /// A record of a client that is known.
  init(
    time: String, event: Event, connection: UInt64, pid: Int32, identity: String, proof: String,
    source: String
  ) {
    self.time = time
    self.event = event
    self.connection = connection
    self.pid = pid
    self.identity = identity
    self.proof = proof
    self.source = source
  }

  /// The most bytes of arguments, lines and paths in a record, and of its message: a client that may do
  /// nothing could otherwise write 8 MiB with each request.
  package static let maxRequestBytes = 16 << 10
  package static let maxMessageBytes = 1 << 10
  /// What each text counts for beside its bytes: its quotes and its place in a list.
  private static let overhead = 16

  /// Cuts what is too long.
  mutating func shorten() {
    message = message?.cut(toUTF8: Self.maxMessageBytes)
    var room = Self.maxRequestBytes
    var leftOut = 0
    func shortened(_ text: ByteText) -> ByteText {
      let count = min(room, text.bytes.count)
      room -= min(room, count + Self.overhead)
      leftOut += text.bytes.count - count
      return count == text.bytes.count ? text : ByteText(Array(text.bytes.prefix(count)))
    }
    func shortened(_ texts: [ByteText]) -> [ByteText] {
      texts.compactMap { text in
        guard room > 0 else {
          // An empty text is left out too.
          leftOut += max(1, text.bytes.count)
          return nil
        }
        return shortened(text)
      }
    }
    argv = argv.map(shortened)
    (shell, cwd) = (shell.map(shortened), cwd.map(shortened))
    (target, to) = (target.map(shortened), to.map(shortened))
    others = others.map(shortened)
    if leftOut > 0 { cut = leftOut }
  }

  /// The time now, as records have it.
  static func now() -> String {
    var clock = timespec()
    clock_gettime(CLOCK_REALTIME, &clock)
    return text(of: clock.tv_sec, milliseconds: clock.tv_nsec / 1_000_000)
  }

  /// A time in seconds since 1970, as records have it.
  package static func text(of seconds: Int, milliseconds: Int = 0) -> String {
    var seconds = seconds
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func padded(_ number: Int, _ width: Int = 2) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let day = [
      padded(Int(parts.tm_year) + 1_900, 4), padded(Int(parts.tm_mon) + 1),
      padded(Int(parts.tm_mday)),
    ]
    let time = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { padded(Int($0)) }
    return day.joined(separator: "-") + "T" + time.joined(separator: ":") + "."
      + padded(milliseconds, 3) + "Z"
  }

  /// This process.
  static let ownPID = getpid()

  /// Adds what an operation is.
  ///
  /// - Parameter account: the user as whom it is done; nil for the server's.
  mutating func describe(_ request: OpenRequest, as account: Account?) {
    user = account?.user ?? geteuid()
    switch request {
    case .run(let run):
      op = "run"
      (argv, shell, cwd) = (run.argv, run.shell, run.cwd)
      (login, terminal) = (run.login, run.terminal == nil ? nil : true)
      target = run.job.map { ByteText($0) }
    case .file(let file):
      op = file.operation.rawValue
      (target, to, others) = (file.path, file.to, file.sources?.map(\.path))
    case .socket(let socket):
      op = socket.operation.rawValue
      target = (socket.address ?? socket.connection).map { ByteText($0) }
    case .commands(let commands):
      op = commands.operation.rawValue
      target = commands.job.map { ByteText($0) }
    case .job(let job):
      op = job.operation.rawValue
      target = job.job.map { ByteText($0) }
    case .info: op = "info"
    }
  }
}
