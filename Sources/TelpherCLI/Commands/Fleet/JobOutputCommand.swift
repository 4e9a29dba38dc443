internal import ArgumentParser
internal import TelpherFleet
internal import TelpherWire

/// `telpher job output`
struct JobOutputCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "output",
    abstract: "Prints what a job has written so far.",
    discussion: """
      The output is in the journal of the job's worker, and comes from there: the worker must be \
      running, and its address must be reachable from here ('telpher worker --dial' or '--advertise'). Standard \
      output of the job goes to standard output, its standard error to standard error. If \
      the journal has dropped output, a line on standard error says how many bytes are missing. The exit \
      status is 0 if the output was printed, even if the job failed, and 125 if some was lost in another \
      way (a full disk).
      """)

  @OptionGroup var fleet: FleetOptions
  @OptionGroup var connection: ConnectionOptions

  @Flag(
    name: [.customShort("f"), .customLong("follow")],
    help: "Also waits until the job runs, and prints new output until it ends.")
  var follow = false

  @Option(help: ArgumentHelp("Prints only the last N lines.", valueName: "n"))
  var tail: UInt64?

  @Argument(help: ArgumentHelp("The job.", valueName: "job"), transform: FleetArgument.job)
  var job: JobID

  func validate() throws {
    if let tail, tail > JobRequest.maxTail {
      throw ValidationError("--tail is at most \(JobRequest.maxTail)")
    }
  }

  func run() async throws {
    let engine = try await FleetReach(fleet.settings).engine()
    var pause = Self.pauses.first
    while true {
      let place = try await FleetClient(engine: engine).place(of: job, waits: follow)
      try AnnouncedAddress.check(place.address, of: job)
      var request = JobRequest(.attach, job: place.run.description)
      request.follow = follow
      request.tail = tail
      let logs = LogsInvocation(
        server: connection.settings(address: place.address), request: request)
      if !follow || place.hasEnded { return try await logs.run() }
      if try await logs.isKnown() { return try await logs.run() }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, Self.pauses.last)
    }
  }

  /// The first and the longest pause until the worker's server is asked again whether the command has
  /// started. Each question needs a connection.
  private static let pauses = (first: Duration.milliseconds(100), last: Duration.seconds(2))
}
