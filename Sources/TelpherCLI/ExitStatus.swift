internal import Glibc
internal import TelpherClassic
internal import TelpherClient
internal import TelpherFleet
internal import TelpherTransport
internal import TelpherWire

/// The exit statuses of this program that are not a command's own. Those of `run` are the same as
/// in timeout(1), env(1) and the shells.
enum ExitStatus {
  /// A request about files failed, in part or as a whole.
  static let filesFailed: Int32 = 1
  /// The command was ended at its deadline.
  static let timedOut: Int32 = 124
  /// This program failed, not the command.
  static let failure: Int32 = 125
  /// The command exists, but can't be executed.
  static let notExecutable: Int32 = 126
  /// The command was not found.
  static let notFound: Int32 = 127
  /// Added to the number of the signal that ended the command.
  static let signalBase: Int32 = 128

  /// The message for a command whose background process still holds its output open.
  static let heldOutput =
    "the command has ended, but a process that it left in the background holds its output open; "
    + "telpher drops what that process still writes (to wait longer for it, use --drain)"

  /// The exit status for the outcome of a command.
  static func status(for outcome: Result<CommandResult, Failure>) -> Int32 {
    switch outcome {
    case .success(let result): status(for: result.status)
    case .failure(let failure): failure.status
    }
  }

  /// The message that explains an outcome; nil if the command ended by itself.
  static func explanation(of outcome: Result<CommandResult, Failure>) -> String? {
    switch outcome {
    case .success(let result): explanation(of: result)
    case .failure(let failure): failure.isSilent ? nil : failure.message
    }
  }

  /// The exit status for the outcome of a durable job, which another client may have ended.
  static func status(forJob outcome: Result<CommandResult, Failure>) -> Int32 {
    guard case .success(let result) = outcome, result.cause == .canceled else {
      return status(for: outcome)
    }
    // A job that is ended gets SIGTERM first, and may then exit with a status of its own, even 0.
    return signalBase + (result.details.signal ?? SIGTERM)
  }

  /// The message that explains the outcome of a durable job; nil if it ended by itself.
  static func explanation(ofJob outcome: Result<CommandResult, Failure>) -> String? {
    guard case .success(let result) = outcome, result.cause == .canceled else {
      return explanation(of: outcome)
    }
    return "the job was ended by 'telpher kill' or by a client"
  }

  /// The exit status for a result.
  private static func status(for status: CommandResult.Status) -> Int32 {
    switch status {
    case .exited(let code): code
    case .signaled(let signal): signalBase + signal
    case .timedOut: timedOut
    // The server canceled the command: this client cancels only after a failure of its own.
    case .canceled: failure
    case .notStarted(let errno, let stage, _): notStarted(errno: errno, stage: stage)
    case .detached: failure
    }
  }

  private static func explanation(of result: CommandResult) -> String? {
    switch result.status {
    // A limit: the server says which.
    case .exited where result.details.cause != nil, .signaled where result.details.cause != nil:
      result.details.message
    // 125 usually means that telpher failed, so say that here the command itself returned it.
    case .exited(failure): "\(failure) is the exit status of the command itself"
    case .exited: nil
    case .signaled(let signal): signalText(signal)
    case .notStarted(_, _, let message): message
    case .timedOut: result.details.message ?? "the command was ended at its deadline"
    case .canceled: result.details.message ?? "the server ended the command"
    case .detached: "the command continues without this client"
    }
  }

  /// What a shell says about a command that a signal ended, on a terminal only: a program that reads
  /// standard error gets what the command wrote.
  private static func signalText(_ signal: Int32) -> String? {
    // The user knows of Ctrl-C, and a closed pipe is no failure; shells do not mention them either.
    guard isatty(STDERR_FILENO) == 1, signal != SIGINT, signal != SIGPIPE else { return nil }
    return "the command was ended by signal \(signal) (\(describe(signal: signal)))"
  }

  private static func describe(signal: Int32) -> String {
    strsignal(signal).map { String(cString: $0) } ?? "unknown"
  }

  private static func notStarted(errno: Int32, stage: String) -> Int32 {
    guard stage == "execute" else { return failure }
    return switch errno {
    case ENOENT, ENOTDIR: notFound
    // The system lacks resources; a later try may succeed.
    case EAGAIN, ENOMEM, EMFILE, ENFILE: failure
    default: notExecutable
    }
  }
}

/// A failure of this program or the connection, not of a command.
struct Failure: Error, Equatable {
  /// The kind, which `--json` prints as `result`: `unreachable`, `output_limit`, ...
  var kind: String
  /// The message for the user, without a line break.
  var message: String
  /// The exit status of this process.
  var status = ExitStatus.failure
  /// Whether no message is printed.
  var isSilent = false

  /// A failure of this program.
  init(_ message: String, kind: String = "failed") {
    self.kind = kind
    self.message = message
  }

  /// A failure with another exit status.
  init(_ message: String, status: Int32) {
    self.init(message)
    self.status = status
  }

  /// The reader of standard output has closed it, as in `telpher ls | head -1`. The program ends
  /// without a message and with the status of a program that SIGPIPE ended.
  static var noReader: Failure {
    var failure = Failure("standard output was closed by its reader", kind: "no_reader")
    failure.status = ExitStatus.signalBase + SIGPIPE
    failure.isSilent = true
    return failure
  }

  /// Converts `error` to a failure.
  init(_ error: any Error) {
    switch error {
    case let error as Failure: self = error
    case let error as ClientError:
      self.init(error.message, kind: error.code.description.replacing(" ", with: "_"))
      if error.code == .deadlinePassed { status = ExitStatus.timedOut }
      if let signal = error.signal { status = ExitStatus.signalBase + signal }
    case let error as FleetError: self.init(error.message, kind: error.code.rawValue)
    case let error as ClassicError:
      self.init(error.message, kind: error.code.description.replacing(" ", with: "_"))
    case let error as FileError where error.code == .protocolError:
      self.init(
        "the other side broke the protocol: \(error.message); is the same version of telpher on both sides?",
        kind: "protocol_error")
    case let error as FileError:
      self.init(error.message, kind: error.code.description.replacing(" ", with: "_"))
    case let error as TransportError: self.init(error.message)
    default: self.init("\(error)")
    }
  }
}
