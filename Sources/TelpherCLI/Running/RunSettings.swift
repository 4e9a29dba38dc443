internal import TelpherClient
internal import TelpherWire
internal import TelpherTransport

/// The command to run and how to run it: the values of `RunOptions`. Texts are escaped as
/// `ArgumentText` says.
struct RunSettings: Sendable, Equatable {
  /// The value of `--cwd`.
  var cwd: String?
  /// The variables of `--env`.
  var variables: [EnvironmentVariable] = []
  /// Whether the command gets standard input.
  var forwardsInput = false
  /// Whether the command runs on a terminal that is connected to this process's.
  var usesTerminal = false
  /// The value of `--timeout`.
  var timeout: Duration?
  /// The value of `--grace`.
  var grace: Duration?
  /// The value of `--drain`; negative for `forever`.
  var drain: Duration?
  /// The limits of `LimitOptions`.
  var limits: [ResourceLimit] = []
  /// Whether standard error is merged into standard output.
  var merge = false
  /// Whether the words are a line of shell code.
  var shell = false
  /// Whether one JSON object is printed in place of the output.
  var json = false
  /// The value of `--status-fd`.
  var statusFD: Int32?
  /// Whether the command is started as a durable job.
  var detach = false
  /// The name of the job.
  var name: String?
  /// The value of `--journal` in bytes.
  var journal: UInt64?
  /// The value of `--when-full`.
  var whenFull: RunRequest.Journal.WhenFull?
  /// Whether to reconnect to the command if the connection is lost.
  var reconnects = false
  /// How long to try that; nil for the default.
  var patience: Duration?
  /// Whether it is a shell for the user.
  var isSession = false
  /// The command and its arguments, with the `--` that may stand before them.
  var words: [String] = []

  /// The command and its arguments.
  var commandWords: [String] { words.first == "--" ? Array(words.dropFirst()) : words }

  /// Whether only a server that keeps durable jobs can run the command with these options.
  var needsJob: Bool { reconnects || name != nil || journal != nil }

  /// How the durable job is kept.
  var jobOptions: Connection.JobOptions {
    Connection.JobOptions(
      name: name, journal: RunRequest.Journal(bytes: journal, whenFull: whenFull))
  }

  /// The command.
  var command: Command {
    let words = commandWords.map { ByteText(ArgumentText.bytes(of: $0)) }
    let space = [UInt8(ascii: " ")]
    var command =
      shell
      ? Command(shell: ByteText(Array(words.map(\.bytes).joined(separator: space))))
      : Command(arguments: words)
    command.directory = cwd.map { ByteText(ArgumentText.bytes(of: $0)) }
    command.environment = ownVariables
    command.deadline = timeout
    command.grace = grace
    command.drain = drain
    command.limits = limits
    command.mergesErrorIntoOutput = merge
    return command
  }

  /// The variables of --env by name; the last value of a name counts.
  var ownVariables: [ExactText: ByteText?] {
    Dictionary(variables.map { ($0.name, $0.value) }) { $1 }
  }
}
