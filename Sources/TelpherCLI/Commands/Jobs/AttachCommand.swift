internal import ArgumentParser
internal import TelpherClient
internal import TelpherWire

/// `telpher attach`
struct AttachCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attach",
    abstract: "Prints the output of a durable job, from its beginning until its end.",
    discussion: """
      The exit status is that of the job, as 'telpher run' gives it. Ctrl-C ends only this \
      command: the job goes on, and may be attached to again. Several commands may be attached to \
      one job; a slow one delays neither the job nor the others. If the journal has dropped \
      output, a line on standard error says how many bytes are missing. With -i the job reads this \
      command's standard input, if the job was started with -i. If several commands attach with \
      -i, the job reads from the last one.

      If a running job has a terminal (a shell, or 'run -t --reconnect'), yours is connected to it: it \
      shows the last output and then everything new, and your keys go to the job. At the start of a \
      line, ~. ends the job, ~d leaves it running, and ~? shows all escapes.
      """)

  @OptionGroup var server: ServerOptions

  @Option(
    help: ArgumentHelp(
      "Begins at this byte of both outputs, counted from 0.", valueName: "offset"))
  var from: UInt64?

  @Option(help: ArgumentHelp("Begins with the last N lines.", valueName: "n"))
  var tail: UInt64?

  @Flag(name: .customShort("i"), help: "Sends standard input to the job.")
  var forwardsInput = false

  @Argument(
    help: ArgumentHelp(
      "The job: \(JobOptions.referenceRule).", valueName: "job"),
    transform: JobOptions.parseReference)
  var job: String

  func validate() throws {
    if from != nil && tail != nil {
      throw ValidationError("use --from or --tail, not both")
    }
  }

  func run() async throws {
    var request = JobRequest(.attach, job: job)
    request.from = from.map { ["1": $0, "2": $0] }
    request.tail = tail
    let status = try await AttachInvocation(
      server: server.settings, request: request, forwardsInput: forwardsInput
    ).run()
    if status != 0 { throw ExitCode(status) }
  }
}
