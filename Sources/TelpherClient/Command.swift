public import TelpherTransport
public import TelpherWire

/// A command to run on a server, with everything around it.
public struct Command: Sendable {
  /// What to run.
  public enum Program: Sendable, Equatable {
    /// A program and its arguments, passed on verbatim; without a slash it is looked up in PATH.
    case arguments([ByteText])
    /// A line for `/bin/sh -c`.
    case shell(ByteText)
  }

  /// What to run.
  public var program: Program
  /// The working directory; the server's where nil.
  public var directory: ByteText?
  /// Variables to add to or replace in the environment that the command starts from; nil removes one.
  public var environment: [String: ByteText?] = [:]
  /// Whether the command starts from the server's environment; from no variables at all where false.
  public var inheritsServerEnvironment = true
  /// When to end the command with all its children, since its start; never where nil.
  public var deadline: Duration?
  /// From SIGTERM to SIGKILL at a deadline or cancel; the server's default (2 s) where nil.
  public var grace: Duration?
  /// How long to wait after the exit for other processes to close the output; the server's default
  /// (0.5 s) where nil, for ever where negative.
  public var drain: Duration?
  /// Whether standard error goes into standard output, in the order of writing.
  public var mergesErrorIntoOutput = false
  /// Limits to set before the command runs.
  public var limits: [ResourceLimit] = []
  /// A 128-bit id of 32 hexadecimal digits that the client makes: starting a command with the same
  /// id again attaches to it, or brings its result, and never runs it twice.
  public var job: String?
  /// Whether the command goes on without its connection. Needs a `job` to come back to.
  public var survivesDisconnect = false

  /// A program with its arguments.
  public init(_ program: String, _ arguments: String...) {
    self.init(arguments: [program] + arguments)
  }

  /// A program with its arguments, the program first; at least one.
  public init(arguments: [String]) {
    program = .arguments(arguments.map { ByteText($0) })
  }

  /// A program with its arguments, which may be any bytes but NUL; the program first, at least one.
  public init(arguments: [ByteText]) {
    program = .arguments(arguments)
  }

  /// A line for `/bin/sh -c`.
  public init(shell line: String) {
    program = .shell(ByteText(line))
  }

  /// A line for `/bin/sh -c`, which may be any bytes but NUL.
  public init(shell line: ByteText) {
    program = .shell(line)
  }

  /// The request on the wire.
  var request: RunRequest {
    var request = RunRequest()
    switch program {
    case .arguments(let arguments): request.argv = arguments
    case .shell(let line): request.shell = line
    }
    request.cwd = directory
    request.env = environment.isEmpty ? nil : environment
    request.cleanEnv = inheritsServerEnvironment ? nil : true
    request.deadlineMS = deadline?.wholeMilliseconds
    request.graceMS = grace?.wholeMilliseconds
    request.drainMS = drain.map { $0 < .zero ? -1 : $0.wholeMilliseconds }
    request.merge = mergesErrorIntoOutput ? true : nil
    request.job = job
    request.onDisconnect = survivesDisconnect ? .keep : nil
    if !limits.isEmpty {
      request.limits = Dictionary(limits.map { ($0.kind.rawValue, $0.value) }) { $1 }
    }
    return request
  }
}

extension Duration {
  /// Milliseconds, rounded up so that no time becomes none.
  var wholeMilliseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
  }
}
