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
  public var arguments: [SystemString]
  /// The whole environment of the child.
  public var environment: [SystemString: SystemString]
  /// The working directory; nil for this process's.
  public var directory: SystemString?
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
  /// For a child whose tree is not tracked: whether it leads a process group of its own in this
  /// process's session. What is typed at the terminal then signals this process and not the child.
  public var leadsGroup = false

  /// A request for `arguments` with pipes for its output and error, and nothing on its input.
  public init(
    arguments: [SystemString], environment: [SystemString: SystemString],
    directory: SystemString? = nil,
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
  /// The same for strings that are text.
  public init(
    arguments: [String], environment: [String: String], directory: String? = nil,
    input: Stdio = .null, output: Stdio = .pipe, error: Stdio = .pipe,
    limits: [ResourceLimit] = [], tracksTree: Bool = true
  ) {
    let variables = environment.map { (SystemString($0), SystemString($1)) }
    self.init(
      arguments: arguments.map { SystemString($0) },
      environment: Dictionary(uniqueKeysWithValues: variables),
      directory: directory.map { SystemString($0) }, input: input, output: output, error: error,
      limits: limits, tracksTree: tracksTree)
  }
}
