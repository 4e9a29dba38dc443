internal import ArgumentParser
internal import TelpherWire

/// `telpher logs`
struct LogsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs",
    abstract: "Prints what a durable job has written so far.",
    discussion: """
      Standard output of the job goes to standard output, its standard error to standard error. If \
      the journal has dropped output, a line on standard error says how many bytes are missing. \
      The exit status is 0 if the output was printed, even if the job failed; it is 125 if some \
      could not be printed or was lost in another way (a full disk), or if it is unknown how the job \
      ended. See 'telpher attach' for the job's status.

        telpher logs build --tail 20
        telpher logs build -f --timestamps
      """)

  @OptionGroup var server: ServerOptions

  @Flag(
    name: [.customShort("f"), .customLong("follow")],
    help: "Also prints new output until the job ends.")
  var follow = false

  @Option(help: ArgumentHelp("Prints only the last N lines.", valueName: "n"))
  var tail: UInt64?

  @Flag(help: "Prints only standard output.")
  var stdout = false

  @Flag(help: "Prints only standard error.")
  var stderr = false

  @Flag(
    help: ArgumentHelp(
      "Puts a time before each line: when it was read from the job.",
      discussion: "In UTC, as in 2026-01-31T23:59:59.123456789Z."))
  var timestamps = false

  @Argument(
    help: ArgumentHelp(
      "The job: \(JobOptions.referenceRule).", valueName: "job"),
    transform: JobOptions.parseReference)
  var job: String

  func validate() throws {
    if stdout && stderr {
      throw ValidationError(
        "use --stdout or --stderr, not both; without them both outputs are printed")
    }
    if let tail, tail > JobRequest.maxTail {
      throw ValidationError("--tail is at most \(JobRequest.maxTail)")
    }
  }

  func run() async throws {
    var request = JobRequest(.attach, job: job)
    request.follow = follow
    request.tail = tail
    request.times = timestamps ? true : nil
    request.channels =
      stdout ? [Channel.stdout.rawValue] : stderr ? [Channel.stderr.rawValue] : nil
    try await LogsInvocation(server: server.settings, request: request).run()
  }
}
