/// The result of a stream: the payload of CLOSE (docs/PROTOCOL.md, "Streams").
package struct CloseResult: Sendable, Equatable, WireMessage {
  /// A kind of result. Peers may send kinds that are not listed here, so compare values instead of
  /// switching over them.
  package struct Kind: WireWord {
    /// The kind's name on the wire.
    package let description: String
    /// The kind with that name.
    package init(_ word: String) { description = word }

    /// The command exited; `code` is its exit code.
    package static let exited = Kind("exited")
    /// A signal ended the command; `signal` is its number.
    package static let signaled = Kind("signaled")
    /// The command could not be started; see `errno`, `stage` and `message`.
    package static let notStarted = Kind("not_started")
    /// The deadline passed and the server ended the command; `code` or `signal` says how it exited.
    package static let timedOut = Kind("timed_out")
    /// The client canceled and the server ended the command.
    package static let canceled = Kind("canceled")
    /// The server refused the request and ran nothing; `message` gives the reason.
    package static let refused = Kind("refused")
    /// The client detached from a job, which continues.
    package static let detached = Kind("detached")
    /// The end of a durable job was not seen: the process that kept the job was killed, or the
    /// machine restarted.
    package static let unknown = Kind("unknown")
    /// The success of a request that runs no command.
    package static let ok = Kind("ok")
    /// The file or tree was stored under its name.
    package static let stored = Kind("stored")
    /// Nothing was sent or stored: the destination exists, and the request keeps it.
    package static let skipped = Kind("skipped")
    /// A file request failed, wholly or in part; see `message`, `errno` and `path`.
    package static let failed = Kind("failed")
  }

  /// The kind of result.
  package var result: Kind
  /// The exit code, 0 to 255.
  package var code: Int32?
  /// The number of the signal.
  package var signal: Int32?
  /// Whether the signal left a core file.
  package var coreDumped: Bool?
  /// The error number of a failure: errno(3).
  package var errno: Int32?
  /// The step that failed at the start: `resources`, `directory`, `limit` or `execute`.
  package var stage: String?
  /// Why the command ended, if that is more than `result` says.
  package var cause: Cause?
  /// What the control group of a command with limits has counted.
  package var group: Group?
  /// An explanation for the user.
  package var message: String?
  /// The number of output bytes that each channel brought since the command's start, by channel
  /// number.
  package var bytes: [String: UInt64]?
  /// The time from start to end, in milliseconds.
  package var wallMS: Double?
  /// The resources that the command used.
  package var rusage: Usage?
  /// Whether another process still held an output pipe open at the end of the drain time.
  package var pipeHeld: Bool?
  /// Whether processes of the command were still running after it. Only a server whose `kill_scope`
  /// is `cgroup` reports this.
  package var survivors: Bool?
  /// The answer to `info`.
  package var info: ServerInfo?
  /// The answer to `ps`.
  package var commands: [CommandRecord]?
  /// In the answer to `ps`: whether more commands follow after the last one.
  package var more: Bool?
  /// The path at which a failure occurred, for the user.
  package var path: String?
  /// The digest of a stored or sent file, in lower-case hexadecimal.
  package var digest: String?
  /// The answer to `stat`.
  package var entry: FileEntry?
  /// The answer to `stat` with `ancestors`: opaque strings that identify the folder and all folders
  /// that contain it.
  package var ancestors: [String]?
  /// The outcome of a tree.
  package var tree: TreeCounts?
  /// The id of the job that the request was about.
  package var job: String?
  /// The answer to `terms`; nil if the job has ended.
  package var terms: JobTerms?
  /// Keys of this message that the receiver must understand.
  package var must: [String]?

  /// A result of that kind with an optional message; all else is nil.
  package init(_ result: Kind, message: String? = nil) {
    self.result = result
    self.message = message
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case result, code, signal, errno, stage, message, bytes, rusage, survivors, info, must
    case path, digest, entry, ancestors, tree, cause, group, commands, more, job, terms
    case coreDumped = "core_dumped"
    case wallMS = "wall_ms"
    case pipeHeld = "pipe_held"
  }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))

  /// Decodes the payload of a CLOSE.
  ///
  /// - Throws: `WireError` if it is not JSON of this shape, or if the result of a command lacks a
  ///   required value.
  package static func decode(_ bytes: [UInt8]) throws(WireError) -> CloseResult {
    let result = try JSONCoding.decode(CloseResult.self, from: bytes, name: "CLOSE")
    try result.validate()
    return result
  }

  /// The numbers of signals that can end a process. wait(2) encodes them in seven bits, and 127
  /// there means that the process was stopped.
  private static let signals: ClosedRange<Int32> = 1...126

  /// Throws if a command's status would have to be guessed. A client turns `code` and `signal` into
  /// an exit status of eight bits, in which 256 would become 0 and look like success.
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
    // Without the byte counts the client could not notice missing output.
    if result != .canceled || code != nil || signal != nil {
      for channel in [Channel.stdout, .stderr] where bytes?["\(channel.rawValue)"] == nil {
        throw refuse("does not count the bytes of channel \(channel.rawValue)")
      }
    }
  }

  /// The payload of the frame as JSON. A message that is too long for the frame is cut.
  package func encoded() -> [UInt8] {
    if let quick = quicklyEncoded() { return quick }
    var bounded = self
    bounded.message = message?.cut(toUTF8: WireConstants.maxCloseMessageLength)
    return JSONCoding.encode(bounded)
  }
}
