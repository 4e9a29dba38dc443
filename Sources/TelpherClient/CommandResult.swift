internal import TelpherText
package import TelpherWire

/// How a command ended. A failed command is a result; a command whose end is unknown is a
/// `ClientError`.
public struct CommandResult: Sendable, Equatable {
  /// The resources used by a command and the children it waited for: getrusage(2).
  public struct Usage: Sendable, Equatable {
    /// Processor time in user mode.
    public var userTime: Duration
    /// Processor time in the kernel.
    public var systemTime: Duration
    /// The largest resident set, in kibibytes; nil if it was no larger than the server's own.
    public var maxResidentKiB: Int64?
    /// Page faults that needed no read from disk.
    public var minorFaults: Int64
    /// Page faults that needed a read from disk.
    public var majorFaults: Int64
    /// Context switches because the process waited.
    public var voluntarySwitches: Int64
    /// Context switches because the kernel preempted the process.
    public var involuntarySwitches: Int64
  }

  /// The ways in which a command can end.
  public enum Status: Sendable, Equatable {
    /// It exited with this code, 0 to 255.
    case exited(Int32)
    /// This signal ended it, 1 to 126.
    case signaled(Int32)
    /// It was ended at its deadline.
    case timedOut
    /// It was ended because the client canceled it or the server was shutting down.
    case canceled
    /// It could not be started: errno(3), the step that failed (`execute`, `directory`, `limit` or
    /// `resources`), and a message.
    case notStarted(errno: Int32, stage: String, message: String)
    /// The client detached from a job, which continues.
    case detached
  }

  /// Why a command ended. Later servers may report other causes.
  public struct Cause: Sendable, Hashable, CustomStringConvertible {
    /// The cause's name, as `telpher run --json` prints it.
    public let description: String

    init(_ name: String) { description = name }

    /// It exited by itself.
    public static let exit = Cause("exit")
    /// A signal ended it, which did not come from the server and not from one of its limits.
    public static let signal = Cause("signal")
    /// It could not be started.
    public static let notStarted = Cause("not_started")
    /// Its deadline passed.
    public static let deadline = Cause(.deadline)
    /// The client canceled it.
    public static let canceled = Cause(.canceled)
    /// The connection of its client was lost.
    public static let disconnected = Cause(.disconnected)
    /// The server was ending.
    public static let shutdown = Cause(.shutdown)
    /// It needed more memory than its limit (`ResourceLimit.Kind.treeMemoryBytes`), and the kernel
    /// killed processes of it.
    public static let outOfMemory = Cause(.outOfMemory)
    /// It failed after it had reached its limit of processes.
    public static let processLimit = Cause(.processLimit)
    /// It used up its processor time (`ResourceLimit.Kind.cpuSeconds`).
    public static let cpuTime = Cause(.cpuTime)
    /// It wrote a file beyond the largest size (`ResourceLimit.Kind.fileBytes`).
    public static let fileSize = Cause(.fileSize)

    init(_ cause: CloseResult.Cause) { description = cause.description }
  }

  /// What the kernel counted for a command with limits for all its processes together. A value is
  /// nil if the server can't count it.
  public struct GroupUsage: Sendable, Equatable {
    /// The limit of memory in bytes.
    public var memoryLimit: UInt64?
    /// The most memory in bytes that was in use at once.
    public var memoryPeak: UInt64?
    /// How many processes the kernel killed because the memory reached its limit.
    public var outOfMemoryKills: UInt64?
    /// The limit of processes and threads.
    public var processLimit: UInt64?
    /// How many processes or threads could not be created because of the limit.
    public var processLimitHits: UInt64?
    /// Processor time.
    public var cpuTime: Duration?
    /// How long processes waited because their share of processor time was used up.
    public var throttledTime: Duration?
    /// Bytes read from block devices.
    public var readBytes: UInt64?
    /// Bytes written to block devices.
    public var writtenBytes: UInt64?
  }

  /// How it ended.
  public var status: Status
  /// Everything that the server reports in CLOSE.
  package var details: CloseResult

  /// The number of bytes that it wrote to standard output, including discarded ones.
  public var outputCount: UInt64 { count(.stdout) }
  /// The number of bytes that it wrote to standard error; 0 if that was merged into the output.
  public var errorCount: UInt64 { count(.stderr) }
  /// The time from start to end, as the server measured it; nil if it reports none.
  public var wallTime: Duration? { details.wallMS.map(Duration.milliseconds) }
  /// What it used; nil if the server does not report it.
  public var usage: Usage? { details.rusage.map(Usage.init) }
  /// Why it ended: more than `status` says if a limit ended it.
  ///
  ///     let result = try await connection.run(command).result
  ///     if result.cause == .outOfMemory {
  ///       print("needs more than \(result.group?.memoryLimit ?? 0) bytes")
  ///     }
  public var cause: Cause {
    if let cause = details.cause { return Cause(cause) }
    return switch status {
    case .exited: .exit
    case .signaled: .signal
    case .timedOut: .deadline
    case .canceled: .canceled
    case .notStarted: .notStarted
    case .detached: Cause("detached")
    }
  }
  /// What its control group counted; nil if it had no limits for all its processes together.
  public var group: GroupUsage? { details.group.map(GroupUsage.init) }
  /// Whether another process still held an output pipe open at the end of the drain time. Output
  /// that such a process writes later is lost.
  public var pipeWasHeld: Bool { details.pipeHeld == true }
  /// Whether processes that it started were still running after it. Only a server with control
  /// groups reports this.
  public var hasSurvivors: Bool { details.survivors == true }

  /// Whether it exited with code 0.
  public var isSuccess: Bool { status == .exited(0) }

  /// - Throws: `ClientError`: `refused` if the server refused the command; `protocolError` if the
  ///   result is not that of a command.
  init(_ details: CloseResult) throws(ClientError) {
    self.details = details
    switch details.result {
    case .exited:
      status = .exited(try Self.required(details.code, "exited", "code"))
      try Self.refuse(details.signal, "exited", "signal")
    case .signaled:
      status = .signaled(try Self.required(details.signal, "signaled", "signal"))
      try Self.refuse(details.code, "signaled", "code")
    case .timedOut: status = .timedOut
    case .canceled: status = .canceled
    case .detached: status = .detached
    case .notStarted:
      status = .notStarted(
        errno: details.errno ?? 0, stage: details.stage ?? "execute",
        message: details.message ?? "it could not be started")
    case .unknown:
      throw ClientError(.lost, details.message ?? "the end of the job was not seen")
    case .failed:
      throw ClientError(.refused, details.message ?? "the server can't do that")
    case .refused:
      throw ClientError(.refused, details.message ?? "the server refused the command")
    default:
      throw ClientError(.protocolError, "the server sent the unexpected result '\(details.result)'")
    }
  }

  private func count(_ channel: Channel) -> UInt64 { details.bytes?["\(channel.rawValue)"] ?? 0 }

  private static func required(
    _ number: Int32?, _ result: String, _ key: String
  ) throws(ClientError) -> Int32 {
    if let number { return number }
    throw ClientError(.protocolError, "the server sent the result '\(result)' without a '\(key)'")
  }

  /// Refuses a result that names a second way of ending.
  private static func refuse(
    _ number: Int32?, _ result: String, _ key: String
  ) throws(ClientError) {
    guard let number else { return }
    throw ClientError(
      .protocolError, "the server sent the result '\(result)' together with a '\(key)' (\(number))")
  }
}

extension CommandResult: CustomStringConvertible {
  /// One line for logs, for example `exited with code 0 after 12 ms (output: 34 bytes)`.
  public var description: String {
    var text = status.text
    if case .notStarted = status { return text }
    if let wallTime {
      text += " after \(wallTime.formatted)"
    }
    var notes: [String] = []
    if outputCount > 0 { notes.append("output: \(outputCount) bytes") }
    if errorCount > 0 { notes.append("errors: \(errorCount) bytes") }
    if pipeWasHeld { notes.append("another process holds an output pipe") }
    if hasSurvivors { notes.append("processes of it are still running") }
    return notes.isEmpty ? text : text + " (\(notes.joined(separator: ", ")))"
  }
}

extension CommandResult.Status {
  /// The status in words, for example `exited with code 0`.
  fileprivate var text: String {
    switch self {
    case .exited(let code): "exited with code \(code)"
    case .signaled(let signal): "ended by signal \(signal)"
    case .timedOut: "ended at its deadline"
    case .canceled: "canceled"
    case .notStarted(_, _, let message): "not started: \(ShownText.escaped(message))"
    case .detached: "detached from the job, which continues"
    }
  }
}

extension CommandResult.Usage {
  fileprivate init(_ usage: CloseResult.Usage) {
    self.init(
      userTime: .milliseconds(usage.userMS), systemTime: .milliseconds(usage.systemMS),
      maxResidentKiB: usage.maxRSSKiB, minorFaults: usage.minorFaults,
      majorFaults: usage.majorFaults, voluntarySwitches: usage.voluntarySwitches,
      involuntarySwitches: usage.involuntarySwitches)
  }
}

extension CommandResult.GroupUsage {
  fileprivate init(_ group: CloseResult.Group) {
    self.init(
      memoryLimit: group.memoryLimit, memoryPeak: group.memoryPeak,
      outOfMemoryKills: group.outOfMemoryKills, processLimit: group.processLimit,
      processLimitHits: group.processLimitHits, cpuTime: group.cpuMS.map(Duration.milliseconds),
      throttledTime: group.throttledMS.map(Duration.milliseconds), readBytes: group.readBytes,
      writtenBytes: group.writtenBytes)
  }
}

extension Duration {
  /// In milliseconds below 10 s, else in seconds.
  fileprivate var formatted: String {
    self < .seconds(10)
      ? "\(Int64(self / .milliseconds(1))) ms" : "\(Int64(self / .seconds(1))) s"
  }
}

/// A command's result with all its output.
public struct CollectedResult: Sendable, Equatable {
  /// How it ended.
  public var result: CommandResult
  /// The bytes of standard output.
  public var output: [UInt8]
  /// The bytes of standard error.
  public var error: [UInt8]
}

extension CollectedResult: CustomStringConvertible {
  /// How the command ended, as one line; not the output.
  public var description: String { result.description }
}
