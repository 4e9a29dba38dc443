package import TelpherText
package import TelpherTransport

/// What a client asks for, as far as a policy is concerned.
package enum PolicyRequest: Sendable {
  /// Run a command.
  case run(Run)
  /// Use files.
  case files(Files)
  /// Connect to an address that the server can reach, or to a server that is registered at it.
  case connect(StreamTarget)
  /// Listen at an address of the server's machine, or register a name.
  case listen(StreamTarget)
  /// Take a connection that was accepted at an address at which the client listens.
  case accept
  /// List the client's own commands and jobs, end one, attach to one or read its output.
  case jobs

  /// A command.
  package struct Run: Sendable {
    /// The program and its arguments; nil for a line for a shell, or a login shell.
    package var argv: [[UInt8]]?
    /// Whether it runs on a terminal.
    package var usesTerminal = false
    /// The variables that the client sets or removes.
    package var variables: [ExactText] = []
    /// Whether the client chooses the working directory, or asks for an environment that starts
    /// empty.
    package var choosesDirectory = false
    package var startsEmpty = false
    /// Whether arguments or variables are missing, because a job's record leaves out long ones.
    /// Only `commands: any` allows it then.
    package var isCut = false

    /// A program with arguments; nil for a shell.
    package init(argv: [[UInt8]]?) { self.argv = argv }
  }

  /// The files of one request.
  package struct Files: Sendable {
    /// Those whose bytes or names it reads.
    package var reads: [PolicyPath] = []
    /// Those that it makes, changes or removes.
    package var writes: [PolicyPath] = []
    /// Those whose size, kind and times it asks for: allowed to those who may read or write them.
    package var looks: [PolicyPath] = []

    /// No files.
    package init() {}
  }
}
