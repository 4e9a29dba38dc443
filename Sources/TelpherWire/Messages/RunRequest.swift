/// A command to run, with everything around it: the keys of OPEN with `"op": "run"`.
public struct RunRequest: Sendable, Equatable, Codable {
  /// The program and its arguments, passed on verbatim; or `shell`.
  public var argv: [ByteText]?
  /// A line for /bin/sh -c; or `argv`.
  public var shell: ByteText?
  /// The working directory; the server's where nil.
  public var cwd: ByteText?
  /// Variables to add to or replace in the environment that the command starts from; nil removes one.
  public var env: [String: ByteText?]?
  /// Whether the command starts from no variables at all; from the server's where nil or false.
  public var cleanEnv: Bool?
  /// When to end the command, in milliseconds since its start; never where nil.
  public var deadlineMS: Int64?
  /// From the polite end (SIGTERM) to the forced one (SIGKILL), in milliseconds.
  public var graceMS: Int64?
  /// How long to wait after the exit for others to close the output, in milliseconds; -1 for ever.
  public var drainMS: Int64?
  /// Whether standard error goes into standard output, in the order of writing.
  public var merge: Bool?
  /// Limits by name: those of `limitNames`.
  public var limits: [String: UInt64]?
  /// What a lost connection means: `kill` (default) or `keep`, which needs a `job`.
  public var onDisconnect: OnDisconnect?
  /// A client-made 128-bit id, as 32 hexadecimal digits: a repeated OPEN with the same id attaches
  /// to the command and never runs it twice.
  public var job: String?

  /// What a lost connection means for a command.
  public enum OnDisconnect: String, Sendable, Codable {
    /// The whole tree is ended.
    case kill
    /// It goes on; its output waits in the pipe until a client attaches.
    case keep
  }

  /// The limits there are. Another name is refused: to run without a limit that was asked for would
  /// be worse.
  public static let limitNames: Set<String> = [
    "cpu_s", "memory_bytes", "file_bytes", "open_files", "processes", "core_bytes",
  ]
  /// The default of `graceMS`.
  public static let defaultGraceMS: Int64 = 2_000
  /// The default of `drainMS`.
  public static let defaultDrainMS: Int64 = 500
  /// The longest of any time here: a week. A client that wants longer says nothing.
  public static let maxMilliseconds: Int64 = 7 * 24 * 3_600_000

  /// A request with nothing in it yet.
  public init() {}

  enum CodingKeys: String, CodingKey, CaseIterable {
    case argv, shell, cwd, env, merge, limits, job
    case cleanEnv = "clean_env"
    case deadlineMS = "deadline_ms"
    case graceMS = "grace_ms"
    case drainMS = "drain_ms"
    case onDisconnect = "on_disconnect"
  }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  /// The request itself where it makes sense.
  func validated() throws(WireError) -> RunRequest {
    func refuse(_ message: String) -> WireError { WireError(.protocolError, "run: \(message)") }
    switch (argv, shell) {
    case (nil, nil): throw refuse("one of 'argv' and 'shell' is needed")
    case (_?, _?): throw refuse("'argv' and 'shell' exclude each other")
    case (let argv?, nil) where argv.isEmpty: throw refuse("'argv' is empty")
    default: break
    }
    let hasNUL =
      argv?.contains { $0.bytes.contains(0) } == true
      || shell?.bytes.contains(0) == true || cwd?.bytes.contains(0) == true
      || env?.contains { $0.utf8.contains(0) || $1?.bytes.contains(0) == true } == true
    guard !hasNUL else { throw refuse("a NUL byte in an argument, variable or path") }
    if let name = env?.keys.first(where: { $0.isEmpty || $0.utf8.contains(UInt8(ascii: "=")) }) {
      throw refuse("'\(name)' can't be the name of a variable")
    }
    let times = [
      ("deadline_ms", deadlineMS, Int64(0)), ("grace_ms", graceMS, 0), ("drain_ms", drainMS, -1),
    ]
    for (key, value, least) in times {
      if let value, value < least || value > Self.maxMilliseconds {
        throw refuse("'\(key)' is \(value), not between \(least) and \(Self.maxMilliseconds)")
      }
    }
    if let name = limits?.keys.first(where: { !Self.limitNames.contains($0) }) {
      throw refuse("there is no limit '\(name)'")
    }
    if let job, job.utf8.count != 32 || !job.utf8.allSatisfy(Self.isHexDigit) {
      throw refuse("'job' is a 128-bit id of 32 hexadecimal digits")
    }
    if onDisconnect == .keep && job == nil {
      throw refuse("'on_disconnect': 'keep' needs a 'job' id to come back to")
    }
    return self
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
    default: false
    }
  }
}
