public import TelpherText
public import TelpherTransport
public import TelpherWire

/// A command to run on a server, with its environment and limits.
public struct Command: Sendable {
  /// What to run.
  public enum Program: Sendable, Equatable {
    /// A program and its arguments, passed on unchanged. A program without a slash is looked up in
    /// PATH.
    case arguments([ByteText])
    /// A line for `/bin/sh -c`.
    case shell(ByteText)
    /// The login shell of the server's user: as after a login, or to run a line.
    case loginShell(ByteText?)
  }

  /// What to run.
  public var program: Program
  /// The working directory; if nil, the server's.
  public var directory: ByteText?
  /// Variables to add to the environment or to replace in it; a nil value removes the variable.
  public var environment: [ExactText: ByteText?] = [:]
  /// Whether the command starts with the server's environment; if false, with an empty one.
  public var inheritsServerEnvironment = true
  /// The time after its start at which the command and all its children are ended; if nil, never.
  public var deadline: Duration?
  /// How long after the deadline the client still waits for a server that does not answer. Any byte
  /// from the server counts as an answer, so it must only exceed a round trip, even one by
  /// satellite (0.7 s).
  public var deadlineMargin = Duration.seconds(2)
  /// The time from SIGTERM to SIGKILL at the deadline or when canceled; if nil, the server's
  /// default (2 s).
  public var grace: Duration?
  /// How long to wait after the exit for other processes to close the output; if nil, the server's
  /// default (0.5 s); if negative, without a limit.
  public var drain: Duration?
  /// Whether standard error is merged into standard output, in the order of writing.
  public var mergesErrorIntoOutput = false
  /// The size of a terminal on which the command runs; if nil, it has pipes. On a terminal, all
  /// output is `RunningCommand.output`, and the end of the input is the character Ctrl-D. The
  /// terminal starts with echo and line editing (termios(3)); each line of output ends with CR LF.
  /// `RunningCommand.resizeTerminal(to:)` changes the size.
  public var terminal: TerminalSize?
  /// The value of TERM for a command with a `terminal`, such as `xterm-256color`: 1 to 128 printable
  /// ASCII characters. A value in `environment` takes precedence; if both are nil, the server's own
  /// TERM applies.
  public var terminalType: String?
  /// Resource limits of the command (getrlimit(2)).
  public var limits: [ResourceLimit] = []
  /// The job id: 32 lowercase hexadecimal digits (128 random bits) that the client makes. Starting
  /// a command with the same id again attaches to the job or returns its result; it never runs
  /// twice.
  public var job: String?
  /// Whether the command continues if the connection is lost. Needs a `job`.
  public var survivesDisconnect = false

  /// Creates a command from a program and its arguments.
  public init(_ program: String, _ arguments: String...) {
    self.init(arguments: [program] + arguments)
  }

  /// Creates a command from at least one argument, the program first.
  public init(arguments: [String]) {
    program = .arguments(arguments.map { ByteText($0) })
  }

  /// Creates a command from at least one argument, the program first. Arguments may contain any
  /// bytes except NUL.
  public init(arguments: [ByteText]) {
    program = .arguments(arguments)
  }

  /// Creates a command from the login shell of the server's user (passwd(5)).
  ///
  /// - Parameter line: a line for the shell to run; if nil, it reads commands from its standard
  ///   input, usually with a `terminal`.
  public init(loginShell line: ByteText?) {
    program = .loginShell(line)
  }

  /// Creates a command from a line for `/bin/sh -c`.
  public init(shell line: String) {
    program = .shell(ByteText(line))
  }

  /// Creates a command from a line for `/bin/sh -c`, which may contain any bytes except NUL.
  public init(shell line: ByteText) {
    program = .shell(line)
  }

  /// The request of the OPEN frame.
  var request: RunRequest {
    var request = RunRequest()
    switch program {
    case .arguments(let arguments): request.argv = arguments
    case .shell(let line): request.shell = line
    case .loginShell(let line): (request.login, request.shell) = (true, line)
    }
    request.cwd = directory
    request.env = environment.isEmpty ? nil : environment
    request.cleanEnv = inheritsServerEnvironment ? nil : true
    request.deadlineMS = deadline?.wholeMilliseconds
    request.graceMS = grace?.wholeMilliseconds
    request.drainMS = drain.map { $0 < .zero ? -1 : $0.wholeMilliseconds }
    request.merge = mergesErrorIntoOutput ? true : nil
    request.terminal = terminal.map {
      RunRequest.Terminal(type: terminalType, size: ControlMessage.TerminalSize($0))
    }
    request.job = job
    request.onDisconnect = survivesDisconnect ? .keep : nil
    if !limits.isEmpty {
      request.limits = Dictionary(limits.map { ($0.kind.rawValue, $0.value) }) { $1 }
    }
    return request
  }
}

extension ControlMessage.TerminalSize {
  /// Converts a size; larger than the protocol allows, it is cut.
  init(_ size: TerminalSize) {
    let limit = WireConstants.maxTerminalSide
    self.init(
      rows: min(size.rows, limit), columns: min(size.columns, limit), width: size.pixelWidth,
      height: size.pixelHeight)
  }
}

extension Duration {
  /// The duration in milliseconds, rounded up so that a short time does not become 0.
  package var wholeMilliseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
  }
}
