/// How a stream's work ended: the payload of CLOSE (docs/PROTOCOL.md, "Streams").
public struct CloseResult: Sendable, Equatable, WireMessage {
  /// Kinds of results. Peers may send others: compare, don't switch.
  public struct Kind: Sendable, Hashable, Codable, CustomStringConvertible {
    /// The word on the wire.
    public let description: String
    /// A kind by its word.
    public init(_ word: String) { description = word }

    /// The command ended by itself, with `code`.
    public static let exited = Kind("exited")
    /// A signal ended the command: `signal`.
    public static let signaled = Kind("signaled")
    /// The command could not be started: `errno`, `stage`, `message`.
    public static let notStarted = Kind("not_started")
    /// The deadline passed and the command was ended; `code` or `signal` tell how it went.
    public static let timedOut = Kind("timed_out")
    /// The client canceled and the command was ended.
    public static let canceled = Kind("canceled")
    /// The server did not take the request: `message` tells why. Nothing was run.
    public static let refused = Kind("refused")
    /// The client let go of a job, which goes on.
    public static let detached = Kind("detached")
    /// The answer to a request that runs no command.
    public static let ok = Kind("ok")
    /// What was sent is stored under its name.
    public static let stored = Kind("stored")
    /// Nothing was sent or stored: the destination is there already, and the client wanted it to stay.
    public static let skipped = Kind("skipped")
    /// What was asked of files could not be done, or not all of it: `message` tells, `errno`, `path`.
    public static let failed = Kind("failed")

    public init(from decoder: any Decoder) throws {
      description = try decoder.singleValueContainer().decode(String.self)
    }
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      try container.encode(description)
    }
  }

  /// What a command used: getrusage(2), for it and the children it waited for.
  public struct Usage: Sendable, Equatable, Codable {
    /// Processor time in user mode, in milliseconds.
    public var userMS: Double
    /// Processor time in the kernel, in milliseconds.
    public var systemMS: Double
    /// The largest resident set, in kibibytes. Nil where it was no larger than the server's own: a
    /// child shares the server's memory until it executes its program, and the kernel counts that.
    public var maxRSSKiB: Int64?
    /// Page faults without and with a read.
    public var minorFaults: Int64
    /// Page faults with a read.
    public var majorFaults: Int64
    /// Context switches by waiting.
    public var voluntarySwitches: Int64
    /// Context switches by preemption.
    public var involuntarySwitches: Int64

    /// A usage.
    public init(
      userMS: Double, systemMS: Double, maxRSSKiB: Int64?, minorFaults: Int64, majorFaults: Int64,
      voluntarySwitches: Int64, involuntarySwitches: Int64
    ) {
      self.userMS = userMS
      self.systemMS = systemMS
      self.maxRSSKiB = maxRSSKiB
      self.minorFaults = minorFaults
      self.majorFaults = majorFaults
      self.voluntarySwitches = voluntarySwitches
      self.involuntarySwitches = involuntarySwitches
    }

    enum CodingKeys: String, CodingKey {
      case userMS = "user_ms"
      case systemMS = "system_ms"
      case maxRSSKiB = "max_rss_kib"
      case minorFaults = "minor_faults"
      case majorFaults = "major_faults"
      case voluntarySwitches = "voluntary_switches"
      case involuntarySwitches = "involuntary_switches"
    }
  }

  /// The kind of result.
  public var result: Kind
  /// The exit code, 0 to 255.
  public var code: Int32?
  /// The number of the signal.
  public var signal: Int32?
  /// Whether the signal left a core file.
  public var coreDumped: Bool?
  /// Why it could not be started: errno(3).
  public var errno: Int32?
  /// What was being done then: `resources`, `directory`, `limit`, `execute`.
  public var stage: String?
  /// For a person.
  public var message: String?
  /// By channel number: the bytes of output that the command's streams brought, from its start.
  public var bytes: [String: UInt64]?
  /// From start to end, in milliseconds.
  public var wallMS: Double?
  /// What the command used.
  public var rusage: Usage?
  /// Whether another process still held an output open when the drain was over.
  public var pipeHeld: Bool?
  /// Whether processes of the command were left running behind it. Told only by a server whose
  /// `kill_scope` is `cgroup`.
  public var survivors: Bool?
  /// The answer to `info`.
  public var info: ServerInfo?
  /// The path that a failure was met at, for a person.
  public var path: String?
  /// The digest of a file that was stored or sent, in lower-case hexadecimal.
  public var digest: String?
  /// The answer to `stat`.
  public var entry: FileEntry?
  /// The answer to `stat` with `ancestors`: opaque names of the folder and of those that hold it.
  public var ancestors: [String]?
  /// What became of a tree.
  public var tree: TreeCounts?
  /// Keys of this message that the receiver must understand.
  public var must: [String]?

  /// A result of a kind, with nothing else yet.
  public init(_ result: Kind, message: String? = nil) {
    self.result = result
    self.message = message
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case result, code, signal, errno, stage, message, bytes, rusage, survivors, info, must
    case path, digest, entry, ancestors, tree
    case coreDumped = "core_dumped"
    case wallMS = "wall_ms"
    case pipeHeld = "pipe_held"
  }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  /// Reads the payload of a CLOSE.
  ///
  /// - Throws: `WireError` if it is not JSON of this shape, or if the result of a command lacks what
  ///   such a result must have.
  public static func decode(_ bytes: [UInt8]) throws(WireError) -> CloseResult {
    let result = try JSONCoding.decode(CloseResult.self, from: bytes, name: "CLOSE")
    try result.validate()
    return result
  }

  /// The numbers of signals that can end a process: wait(2) has seven bits for them, and 127 there
  /// means that the process was stopped.
  private static let signals: ClosedRange<Int32> = 1...126

  /// Refuses a result of a command whose status would have to be guessed. A client turns `code` and
  /// `signal` into an exit status of eight bits, in which 256 would become 0, which means success.
  private func validate() throws(WireError) {
    func refuse(_ what: String) -> WireError {
      WireError(.protocolError, "CLOSE: the result '\(result)' \(what)")
    }
    if let code, !(0...255).contains(code) {
      throw refuse("has the code \(code), which is not between 0 and 255")
    }
    if let signal, !Self.signals.contains(signal) {
      throw refuse(
        "has the signal \(signal), which is not between 1 and \(Self.signals.upperBound)")
    }
    switch result {
    case .exited: if code == nil { throw refuse("has no code") }
    case .signaled: if signal == nil { throw refuse("has no signal") }
    case .timedOut, .canceled: break
    default: return
    }
    // Without the counts the client could not notice that output is missing.
    if result != .canceled || code != nil || signal != nil {
      for channel in [Channel.stdout, .stderr] where bytes?["\(channel.rawValue)"] == nil {
        throw refuse("does not count the bytes of channel \(channel.rawValue)")
      }
    }
  }

  /// The message as the payload of its frame; a text that is too long for that is cut.
  public func encoded() -> [UInt8] {
    var bounded = self
    bounded.message = message?.cut(toUTF8: WireConstants.maxCloseMessageLength)
    return JSONCoding.encode(bounded)
  }
}
