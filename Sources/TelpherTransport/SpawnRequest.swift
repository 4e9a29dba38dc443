/// A command to start, with its environment, streams and limits.
public struct SpawnRequest: Sendable {
  /// The other end of a standard stream of the child.
  package enum Stdio: Sendable, Equatable {
    /// /dev/null.
    case null
    /// A real pipe (not a socket: `echo x > /dev/stdout` must work).
    case pipe
    /// The same as this process's.
    case inherit
    /// For standard error: the same pipe as standard output.
    case sameAsOutput
  }

  /// What a login shell does.
  package enum LoginShell: Sendable, Equatable {
    /// It reads commands from its standard input, as after a login.
    case session
    /// It runs this line, as `ssh HOST LINE` does.
    case line(SystemString)
  }

  /// Whether the program is the login shell of this process's user (passwd(5)), and what it does;
  /// `arguments` are then empty. Variables of an account (HOME, SHELL, USER, LOGNAME) that
  /// `environment` lacks are added, and the working directory is by default the home.
  package var loginShell: LoginShell?
  /// The file to execute, if it is not the first of `arguments`.
  package var program: SystemString?
  /// The program and its arguments, at least one. A program without a slash is looked up in the
  /// PATH of `environment`, as execvp(3) does. No NUL bytes.
  package var arguments: [SystemString]
  /// The whole environment of the child.
  package var environment: LaunchEnvironment
  /// The working directory; nil for this process's.
  package var directory: SystemString?
  /// Standard input: `null`, `pipe` or `inherit`.
  package var input: Stdio
  /// Standard output: `null`, `pipe` or `inherit`.
  package var output: Stdio
  /// Standard error: any.
  package var error: Stdio
  /// The size of a new terminal for the child; nil for a child without a terminal of its own. With
  /// it the child leads a session whose controlling terminal it is, and all three standard streams
  /// are the terminal, whatever `input`, `output` and `error` say. `ChildProcess` documents its
  /// streams.
  package var terminal: TerminalSize?
  /// Limits to set in the child before it runs, soft and hard: getrlimit(2).
  package var limits: [ResourceLimit]
  /// Whether the child leads a process group of its own without this process's terminal (in a
  /// session of its own if that helps to track it), and its tree is tracked, so that `signalTree`
  /// reaches all of it. If false, the child stays in this process's group and keeps its terminal.
  package var tracksTree: Bool
  /// Called just before the process is created, on any thread. If it returns true, the launch fails
  /// with ECANCELED, so that a request that was canceled while it was queued creates no process.
  package var isCanceled: (@Sendable () -> Bool)?
  /// For a child whose tree is not tracked: whether it leads a process group of its own in this
  /// process's session. Signals from the terminal (such as Ctrl-C) then go to this process and not
  /// to the child.
  package var leadsGroup = false

  /// A request for `arguments` with pipes for its output and error, and nothing on its input.
  package init(
    arguments: [SystemString], environment: LaunchEnvironment, directory: SystemString? = nil,
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

  /// The same with the variables of this child alone.
  package init(
    arguments: [SystemString], environment: [SystemString: SystemString],
    directory: SystemString? = nil,
    input: Stdio = .null, output: Stdio = .pipe, error: Stdio = .pipe,
    limits: [ResourceLimit] = [], tracksTree: Bool = true
  ) {
    self.init(
      arguments: arguments, environment: LaunchEnvironment(environment), directory: directory,
      input: input, output: output, error: error, limits: limits, tracksTree: tracksTree)
  }

  /// The same with `String`s, which are passed on as UTF-8.
  package init(
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
