internal import Glibc
internal import TelpherClient
internal import TelpherWire

/// The statuses that `run` ends with besides those of its command: those of timeout(1), env(1) and
/// the shells. And what commands about files end with.
enum ExitStatus {
  /// Something of what was asked of files could not be done.
  static let filesFailed: Int32 = 1
  /// The command was ended at its deadline.
  static let timedOut: Int32 = 124
  /// This program failed, not the command.
  static let failure: Int32 = 125
  /// The command is there and can't be executed.
  static let notExecutable: Int32 = 126
  /// The command is not there.
  static let notFound: Int32 = 127
  /// Added to the number of the signal that ended the command.
  static let signalBase: Int32 = 128

  /// What to say of a command that left a process behind which holds its output.
  static let heldOutput =
    "the command has ended, but a process that it left in the background holds its output: what that "
    + "process still writes is dropped (--drain waits longer for it)"

  /// The status for what became of a command.
  static func status(for outcome: Result<CommandResult, Failure>) -> Int32 {
    switch outcome {
    case .success(let result): status(for: result.status)
    case .failure(let failure): failure.status
    }
  }

  /// What to say of an outcome whose status doesn't say it; nil where the command speaks for itself.
  static func explanation(of outcome: Result<CommandResult, Failure>) -> String? {
    switch outcome {
    case .success(let result): explanation(of: result)
    case .failure(let failure): failure.isSilent ? nil : failure.message
    }
  }

  /// The status for a result.
  private static func status(for status: CommandResult.Status) -> Int32 {
    switch status {
    case .exited(let code): code
    case .signaled(let signal): signalBase + signal
    case .timedOut: timedOut
    // The server is ending: this client cancels only what it can't go on with.
    case .canceled: failure
    case .notStarted(let errno, let stage, _): notStarted(errno: errno, stage: stage)
    case .detached: failure
    }
  }

  private static func explanation(of result: CommandResult) -> String? {
    switch result.status {
    // Its own message of that status is a line like this, which a command can't be told apart by.
    case .exited(failure): "\(failure) is the exit status of the command itself"
    case .exited, .signaled: nil
    case .notStarted(_, _, let message): message
    case .timedOut: result.details.message ?? "the command was ended at its deadline"
    case .canceled: result.details.message ?? "the server ended the command"
    case .detached: "the command goes on without this client"
    }
  }

  private static func notStarted(errno: Int32, stage: String) -> Int32 {
    guard stage == "execute" else { return failure }
    return switch errno {
    case ENOENT, ENOTDIR: notFound
    // The system is short of something: another time it may go.
    case EAGAIN, ENOMEM, EMFILE, ENFILE: failure
    default: notExecutable
    }
  }
}
