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

  /// The status for a result.
  static func status(for status: CommandResult.Status, wasInterrupted: Bool) -> Int32 {
    switch status {
    case .exited(let code): code
    case .signaled(let signal): signalBase + signal
    case .timedOut: timedOut
    // By the user's second interrupt, as from a shell's view; else the server is ending.
    case .canceled: wasInterrupted ? signalBase + SIGINT : failure
    case .notStarted(let errno, let stage, _): notStarted(errno: errno, stage: stage)
    case .detached: failure
    }
  }

  /// What to say of a result whose status doesn't say it; nil where the command speaks for itself.
  static func explanation(of result: CommandResult, status: Int32) -> String? {
    switch result.status {
    case .exited, .signaled: nil
    case .notStarted(_, _, let message): message
    case .timedOut: result.details.message ?? "the command was ended at its deadline"
    case .canceled:
      status == failure ? result.details.message ?? "the command was canceled" : nil
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
