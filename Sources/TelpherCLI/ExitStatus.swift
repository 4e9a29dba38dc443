internal import Glibc
internal import TelpherClient
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
    // 125 usually means that telpher failed, so say that here the command itself returned it.
    case .exited(failure): "\(failure) is the exit status of the command itself"
    case .exited, .signaled: nil
    case .notStarted(_, _, let message): message
    case .timedOut: result.details.message ?? "the command was ended at its deadline"
    case .canceled: result.details.message ?? "the server ended the command"
    case .detached: "the command continues without this client"
    }
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
