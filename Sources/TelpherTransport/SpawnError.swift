/// Why a child could not be started.
public struct SpawnError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A step of the launch.
  public enum Stage: String, Sendable {
    /// Creating pipes, the process or its control group.
    case resources
    /// Entering the working directory.
    case directory
    /// Setting a limit.
    case limit
    /// Finding and executing the program.
    case execute
  }
  /// The step that failed.
  public var stage: Stage
  /// The system's error number: errno(3).
  public var errno: Int32
  /// The message for the user, such as `cannot run 'x': No such file or directory`.
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
