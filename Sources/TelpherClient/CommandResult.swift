public import TelpherWire

/// How a command ended. That it failed is a result; that nobody knows how it ended is an error.
public struct CommandResult: Sendable, Equatable {
  /// The ways to end.
  public enum Status: Sendable, Equatable {
    /// By itself, with an exit code of 0 to 255.
    case exited(Int32)
    /// By a signal.
    case signaled(Int32)
    /// It was ended at its deadline.
    case timedOut
    /// It was ended because the client canceled it, or the server is ending.
    case canceled
    /// It could not be started: errno(3), what was being done (`execute`, `directory`, `limit`,
    /// `resources`), and a sentence.
    case notStarted(errno: Int32, stage: String, message: String)
    /// The client let go of a job, which goes on.
    case detached
  }

  /// How it ended.
  public var status: Status
  /// Everything that the server says of it: byte counts, times, usage.
  public var details: CloseResult

  /// Whether it ended by itself with exit code 0.
  public var isSuccess: Bool { status == .exited(0) }

  /// - Throws: `ClientError` where the result is not one of a command.
  init(_ details: CloseResult) throws(ClientError) {
    self.details = details
    switch details.result {
    case .exited: status = .exited(try Self.required(details.code, "exited", "code"))
    case .signaled: status = .signaled(try Self.required(details.signal, "signaled", "signal"))
    case .timedOut: status = .timedOut
    case .canceled: status = .canceled
    case .detached: status = .detached
    case .notStarted:
      status = .notStarted(
        errno: details.errno ?? 0, stage: details.stage ?? "execute",
        message: details.message ?? "it could not be started")
    case .refused:
      throw ClientError(.refused, details.message ?? "the server refused the command")
    default:
      throw ClientError(.protocolError, "the server told a result '\(details.result)'")
    }
  }

  private static func required(
    _ number: Int32?, _ result: String, _ key: String
  ) throws(ClientError) -> Int32 {
    if let number { return number }
    throw ClientError(.protocolError, "the server told the result '\(result)' without a '\(key)'")
  }
}

/// A command's result with all of its output.
public struct CollectedResult: Sendable, Equatable {
  /// How it ended.
  public var result: CommandResult
  /// The bytes of standard output.
  public var output: [UInt8]
  /// The bytes of standard error.
  public var error: [UInt8]
}
