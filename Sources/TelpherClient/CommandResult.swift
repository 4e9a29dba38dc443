public import TelpherWire

/// How a command ended. A failed command is a result; a command whose end is unknown is a
/// `ClientError`.
public struct CommandResult: Sendable, Equatable {
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

  /// How it ended.
  public var status: Status
  /// Everything that the server reports in CLOSE: byte counts, times, resource usage.
  public var details: CloseResult

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
    case .refused:
      throw ClientError(.refused, details.message ?? "the server refused the command")
    default:
      throw ClientError(.protocolError, "the server sent the unexpected result '\(details.result)'")
    }
  }

  private static func required(
    _ number: Int32?, _ result: String, _ key: String
  ) throws(ClientError) -> Int32 {
    if let number { return number }
    throw ClientError(.protocolError, "the server sent the result '\(result)' without a '\(key)'")
  }
}

extension CommandResult {
  /// A result that names two ways of ending is none.
  private static func refuse(
    _ number: Int32?, _ result: String, _ key: String
  ) throws(ClientError) {
    guard let number else { return }
    throw ClientError(
      .protocolError, "the server sent the result '\(result)' together with a '\(key)' (\(number))")
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
