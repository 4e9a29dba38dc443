internal import Glibc
internal import TelpherClient

/// Whose fault it is that a command could not be started.
enum StartFault {
  /// What a machine lacks for a time, whatever it is to run.
  private static let shortages = [EMFILE, ENFILE, ENOMEM, EAGAIN, ENOSPC, EDQUOT, EIO]

  /// Why the worker could not start a command that another worker, or the same one later, can start.
  ///
  /// - Parameter command: a command with limits of its own may lack what these deny it.
  /// - Returns: nil if the command was started, or if it is at fault: there is no such program or
  ///   folder, or it can't be executed.
  static func ofWorker(_ status: CommandResult.Status, _ command: Command) -> String? {
    guard case .notStarted(let errno, let stage, let message) = status else { return nil }
    switch stage {
    case "resources": return message
    case "execute" where !command.limits.isEmpty: return nil
    default: return shortages.contains(errno) ? message : nil
    }
  }
}
