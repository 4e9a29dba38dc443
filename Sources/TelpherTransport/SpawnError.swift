/// Why a child could not be started.
public struct SpawnError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was being done.
  public enum Stage: String, Sendable {
    /// Making pipes, the process, its control group.
    case resources
    /// Entering the working directory.
    case directory
    /// Setting a limit.
    case limit
    /// Finding and executing the program.
    case execute
  }
  /// What was being done when it failed.
  public var stage: Stage
  /// The system's error number: errno(3).
  public var errno: Int32
  /// For a person: `cannot run 'x': No such file or directory`.
  public var message: String

  /// An error.
  public init(stage: Stage, errno: Int32, message: String) {
    self.stage = stage
    self.errno = errno
    self.message = message
  }

  /// The message.
  public var description: String { message }
}
