/// What to start, and with what around it.
public struct SpawnRequest: Sendable {
  /// What a standard stream of the child is connected to.
  public enum Stdio: Sendable, Equatable {
    /// /dev/null.
    case null
    /// A real pipe (not a socket: `echo x > /dev/stdout` must work).
    case pipe
    /// The same as this process's.
    case inherit
    /// For standard error: the same pipe as standard output.
    case sameAsOutput
  }

  /// The program and its arguments, at least one. A program without a slash is looked up in the
  /// child's own PATH, as execvp(3) does. No NUL bytes.
  public var arguments: [String]
  /// The whole environment of the child.
  public var environment: [String: String]
  /// The working directory; nil for this process's.
  public var directory: String?
  /// Standard input: `null`, `pipe` or `inherit`.
  public var input: Stdio
  /// Standard output: `null`, `pipe` or `inherit`.
  public var output: Stdio
  /// Standard error: any.
  public var error: Stdio
  /// Limits to set in the child before it runs, soft and hard: getrlimit(2).
  public var limits: [ResourceLimit]
  /// Whether the child leads a group of processes without our terminal (in a session of its own,
  /// where that helps to track it), and its tree is tracked, so that `signalTree` reaches all of it.
  /// False leaves it in this process's group, with its terminal.
  public var tracksTree: Bool
  /// Asked just before the process is made, on whatever thread that is: true has the start fail with
  /// ECANCELED. So what was given up while it stood in line costs no process.
  public var isCanceled: (@Sendable () -> Bool)?

  /// A request for `arguments` with pipes for its output and error, and nothing on its input.
  public init(
    arguments: [String], environment: [String: String], directory: String? = nil,
    input: Stdio = .null, output: Stdio = .pipe, error: Stdio = .pipe,
    limits: [ResourceLimit] = [], tracksTree: Bool = true
  ) {
    self.arguments = arguments
    self.environment = environment
    self.directory = directory
    self.input = input
    self.output = output
    self.error = error
    self.limits = limits
    self.tracksTree = tracksTree
  }
}
