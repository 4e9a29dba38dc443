package import TelpherText

/// A command to run and its settings: the keys of OPEN with `"op": "run"`.
package struct RunRequest: Sendable, Equatable, Codable {
  /// Whether the login shell of the server's user is the program: as a login shell, or with `shell`
  /// to run that line.
  package var login: Bool?
  /// The program and its arguments, passed on unchanged. Either `argv` or `shell` is set, or `login`.
  package var argv: [ByteText]?
  /// A command line for `/bin/sh -c`. Either `argv` or `shell` is set, or `login`.
  package var shell: ByteText?
  /// The working directory; the server's if nil.
  package var cwd: ByteText?
  /// Variables to set in the command's environment; a nil value removes one.
  package var env: [ExactText: ByteText?]?
  /// Whether the command's environment starts empty; if nil or false, it starts as the server's.
  package var cleanEnv: Bool?
  /// The time after which the server ends the command, in milliseconds since its start; no limit if
  /// nil.
  package var deadlineMS: Int64?
  /// The time from SIGTERM to SIGKILL when the server ends the command, in milliseconds.
  package var graceMS: Int64?
  /// How long to wait after the exit until other processes have closed the output, in milliseconds;
  /// -1 means forever.
  package var drainMS: Int64?
  /// Whether processes that the command leaves behind are ended when its deadline passes, or when the
  /// server ends; if nil or false, they go on. Needs a `deadlineMS`.
  package var endsLeftBehind: Bool?
  /// Whether standard error is merged into standard output, in the order of writing.
  package var merge: Bool?
  /// The terminal on which the command runs; nil for a command with pipes. Its input is then
  /// channel 0 and its output channel 1; channel 2 ends at once.
  package var terminal: Terminal?
  /// Resource limits by name; see `limitNames`.
  package var limits: [String: UInt64]?
  /// What happens to the command if the connection is lost: `kill` (the default) or `keep`, which
  /// needs a `job`.
  package var onDisconnect: OnDisconnect?
  /// A 128-bit id chosen by the client, as 32 hexadecimal digits. A repeated OPEN with the same id
  /// attaches to the command and never runs it twice.
  package var job: String?
  /// Whether the command is a durable job that this stream only starts: CLOSE is `detached` once it
  /// has started. Needs a `job`.
  package var detach: Bool?
  /// The journal of a durable job, which this stream is then attached to. Needs a `job`.
  package var journal: Journal?
  /// The name of a durable job, by which other requests can refer to it.
  package var name: String?
  /// From a server to its job host: the digest of the client's request, which a repeated request
  /// must have too. The request itself differs: the server has filled in what belongs to it.
  package var claim: String?
  /// From a server to the processes that it passes requests on to: the terms of a command with a `job`.
  package var terms: JobTerms?
  /// From a server to the processes that it passes requests on to: how many commands the client may have
  /// at once.
  package var concurrency: Concurrency?

  /// A limit for the commands of one client.
  package struct Concurrency: Sendable, Equatable, Codable {
    /// The most commands and durable jobs at once.
    package var most: Int
    /// How many of them are commands of the server, which run now.
    package var others: Int

    /// A limit.
    package init(most: Int, others: Int) { (self.most, self.others) = (most, others) }
  }

  /// The journal of a durable job.
  package struct Journal: Sendable, Equatable, Codable {
    /// The most bytes of output that it keeps; nil for the server's default.
    package var bytes: UInt64?
    /// What happens when it is full; `dropOldest` if nil.
    package var whenFull: WhenFull?

    /// What happens when a journal is full.
    package enum WhenFull: String, Sendable, Codable, CaseIterable {
      /// The oldest output is dropped; readers get the number of the bytes.
      case dropOldest = "drop_oldest"
      /// The command's output is not read until a reader has made room.
      case block
    }

    /// A journal.
    package init(bytes: UInt64? = nil, whenFull: WhenFull? = nil) {
      self.bytes = bytes
      self.whenFull = whenFull
    }

    enum CodingKeys: String, CodingKey {
      case bytes
      case whenFull = "when_full"
    }
  }

  /// Whether the command is a durable job: one of the keys for these is there, whatever its value.
  package var isDurable: Bool { detach != nil || journal != nil || name != nil }

  /// The terminal of a command.
  package struct Terminal: Sendable, Equatable {
    /// The value of TERM, which names what the client's terminal can do (term(7)); nil sets nothing.
    package var type: String?
    /// Its size at the start.
    package var size: ControlMessage.TerminalSize

    /// A terminal.
    package init(type: String?, size: ControlMessage.TerminalSize) {
      self.type = type
      self.size = size
    }

    /// Whether this can be the value of TERM.
    package static func isType(_ text: String) -> Bool {
      (1...WireConstants.maxTerminalTypeLength).contains(text.utf8.count)
        && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
  }

  /// What happens to a command if its connection is lost.
  package enum OnDisconnect: String, Sendable, Codable {
    /// The server ends the command with all its processes.
    case kill
    /// The command continues; its output waits in the pipe until a client attaches.
    case keep
  }

  /// The names of all limits. A request with another name is refused: it would be worse to run
  /// without a limit that the client asked for.
  package static let limitNames: Set<String> = [
    "cpu_s", "memory_bytes", "file_bytes", "open_files", "processes", "core_bytes", "nice",
    "tree_memory_bytes", "tree_processes", "tree_cpu_milli",
  ]
  /// The values of the limits that have a range of their own. Above 2^62, a number of bytes could
  /// mean "no limit" to the kernel, and a limit of processor time below a hundredth of a processor
  /// is less than the kernel can reckon with.
  package static let limitRanges: [String: ClosedRange<UInt64>] = [
    "nice": 0...19, "tree_memory_bytes": 1...(1 << 62), "tree_processes": 1...(1 << 22),
    "tree_cpu_milli": 10...1_000_000,
  ]
  /// The default of `graceMS`, in milliseconds.
  package static let defaultGraceMS: Int64 = 2_000
  /// The default of `drainMS`, in milliseconds.
  package static let defaultDrainMS: Int64 = 500
  /// The largest value of any time in a request, in milliseconds: a week. A client that wants no
  /// limit omits the key.
  package static let maxMilliseconds: Int64 = 7 * 24 * 3_600_000

  /// An empty request.
  package init() {}

  enum CodingKeys: String, CodingKey, CaseIterable {
    case argv, shell, login, cwd, env, merge, terminal, limits, job
    case detach, journal, name, claim, terms, concurrency
    case cleanEnv = "clean_env"
    case deadlineMS = "deadline_ms"
    case graceMS = "grace_ms"
    case drainMS = "drain_ms"
    case endsLeftBehind = "end_left_behind"
    case onDisconnect = "on_disconnect"
  }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  /// Returns the request if its values are valid.
  func validated() throws(WireError) -> RunRequest {
    func refuse(_ message: String) -> WireError { WireError(.protocolError, "run: \(message)") }
    switch (argv, shell) {
    case (_?, _) where login == true: throw refuse("use 'argv' or 'login', not both")
    case (nil, nil) where login != true: throw refuse("one of 'argv' and 'shell' is needed")
    case (_?, _?): throw refuse("use 'argv' or 'shell', not both")
    case (let argv?, nil) where argv.isEmpty: throw refuse("'argv' is empty")
    default: break
    }
    let hasNUL =
      argv?.contains { $0.bytes.contains(0) } == true
      || shell?.bytes.contains(0) == true || cwd?.bytes.contains(0) == true
      || env?.contains { $0.text.utf8.contains(0) || $1?.bytes.contains(0) == true } == true
    guard !hasNUL else { throw refuse("an argument, variable or path contains a NUL byte") }
    if let name = env?.keys.first(where: {
      $0.text.isEmpty || $0.text.utf8.contains(UInt8(ascii: "="))
    }) {
      throw refuse("'\(name)' can't be the name of a variable")
    }
    func checkTime(_ key: String, _ value: Int64?, least: Int64) throws(WireError) {
      guard let value, value < least || value > Self.maxMilliseconds else { return }
      throw refuse("'\(key)' is \(value), not between \(least) and \(Self.maxMilliseconds)")
    }
    try checkTime("deadline_ms", deadlineMS, least: 0)
    try checkTime("grace_ms", graceMS, least: 0)
    try checkTime("drain_ms", drainMS, least: -1)
    if endsLeftBehind == true && deadlineMS == nil {
      throw refuse("'end_left_behind' needs 'deadline_ms'")
    }
    if let concurrency, concurrency.most < 0 || concurrency.others < 0 {
      throw refuse("'concurrency' has a negative number")
    }
    if let name = limits?.keys.first(where: { !Self.limitNames.contains($0) }) {
      throw refuse("there is no limit '\(name)'")
    }
    for (name, value) in limits ?? [:] {
      guard let range = Self.limitRanges[name], !range.contains(value) else { continue }
      throw refuse(
        "the limit '\(name)' is \(value), not between \(range.lowerBound) and \(range.upperBound)")
    }
    if let terminal {
      if let fault = terminal.size.fault { throw refuse("'terminal': \(fault)") }
      if let type = terminal.type, !Terminal.isType(type) {
        throw refuse(
          "'terminal': 'type' is not a name of 1 to \(WireConstants.maxTerminalTypeLength) printable ASCII characters without spaces"
        )
      }
    }
    if let job, !Self.isJobID(job) {
      throw refuse("'job' must be a 128-bit id of 32 hexadecimal digits")
    }
    if isDurable && job == nil { throw refuse("'detach', 'journal' and 'name' need a 'job' id") }
    if let name, !Self.isJobName(name) {
      throw refuse("'name' is not a name of a durable job: \(Self.jobNameRule)")
    }
    if onDisconnect == .keep && job == nil {
      throw refuse("'on_disconnect': 'keep' needs a 'job' id, to attach to the command later")
    }
    return self
  }

  /// Whether this is the id of a job.
  package static func isJobID(_ text: String) -> Bool {
    text.utf8.count == 32 && text.utf8.allSatisfy(isHexDigit)
  }

  /// The rule for the names of jobs, for messages.
  package static let jobNameRule =
    "1 to 64 ASCII letters, digits, '.', '_' and '-', the first a letter or digit, not digits alone, and not an id"

  /// Whether this can be the name of a job. Digits alone are the ids of other commands.
  package static func isJobName(_ text: String) -> Bool {
    isJobReference(text) && !isJobID(text) && text.contains { !("0"..."9").contains($0) }
  }

  /// Whether this can be a name, an id, or the beginning of an id.
  package static func isJobReference(_ text: String) -> Bool {
    guard let first = text.utf8.first, (1...64).contains(text.utf8.count) else { return false }
    func isLetterOrDigit(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: false
      }
    }
    return isLetterOrDigit(first)
      && text.utf8.allSatisfy { isLetterOrDigit($0) || Array("._-".utf8).contains($0) }
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
    default: false
    }
  }
}

extension RunRequest.Terminal: Codable {
  private enum CodingKeys: String, CodingKey { case type }

  package init(from decoder: any Decoder) throws {
    type = try decoder.container(keyedBy: CodingKeys.self)
      .decodeIfPresent(String.self, forKey: .type)
    size = try ControlMessage.TerminalSize(from: decoder)
  }

  package func encode(to encoder: any Encoder) throws {
    try size.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(type, forKey: .type)
  }
}
