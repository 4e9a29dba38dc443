internal import ArgumentParser
internal import TelpherFleet
internal import TelpherText

/// `telpher job`
struct JobCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "job",
    abstract: "Submits jobs to the queues of a fleet, and looks at them.",
    discussion: """
      A job is a command that waits in the broker until a worker takes it ('telpher worker'). For \
      commands on a server that outlive their client see 'telpher run --detach' and 'telpher jobs'.
      """,
    subcommands: [
      JobSubmitCommand.self, JobWaitCommand.self, JobShowCommand.self, JobOutputCommand.self,
      JobCancelCommand.self, JobListCommand.self,
    ])
}

/// `telpher job wait`
struct JobWaitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wait",
    abstract: "Waits until jobs have ended.",
    discussion: """
      The exit status is 0 if the job's command exited with 0, and otherwise as for 'telpher run': the \
      command's own status; 128 + n if signal n ended it; 124 at its --timeout; 126 or 127 if it can't be \
      executed or was not found. 120: the job was canceled. 121: it is lost, because its worker is gone; \
      with --retry, in each attempt. 122: it can't run, for example because the worker does not know the \
      key or its policy denies the job. 123: no worker took it before --not-after. 125: telpher failed. A line on \
      standard error says which it was. Of several jobs, the first on the command line with another \
      status than 0 decides.
      """)

  @OptionGroup var fleet: FleetOptions

  @Argument(help: ArgumentHelp("The jobs.", valueName: "job"), transform: FleetArgument.job)
  var jobs: [JobID]

  func run() async throws {
    let client = FleetClient(engine: try await FleetReach(fleet.settings).engine())
    let jobs = jobs
    let records = try await withThrowingTaskGroup { group in
      for (index, job) in jobs.enumerated() {
        group.addTask { (index, try await client.wait(for: job)) }
      }
      var records: [Int: FinalRecord] = [:]
      for try await (index, record) in group { records[index] = record }
      return jobs.indices.compactMap { records[$0] }
    }
    for record in records {
      guard let text = FleetOutcome.explanation(of: record) else { continue }
      Descriptor.complain(jobs.count == 1 ? text : "\(record.id): \(text)")
    }
    if let status = records.map(FleetOutcome.status).first(where: { $0 != 0 }) {
      throw ExitCode(status)
    }
  }
}

/// `telpher job cancel`
struct JobCancelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel",
    abstract: "Cancels jobs: they are not started or, if they run, are ended.",
    discussion: """
      A job that runs is ended by its worker, first with SIGTERM; 'telpher job wait' waits for that. If \
      the worker is gone, the job is not started again, but may still run there. The exit status is 1 if \
      a job has ended before, or can't be canceled.
      """)

  @OptionGroup var fleet: FleetOptions

  @Argument(help: ArgumentHelp("The jobs.", valueName: "job"), transform: FleetArgument.job)
  var jobs: [JobID]

  func run() async throws {
    let client = FleetClient(engine: try await FleetReach(fleet.settings).engine())
    var hasFailed = false
    for job in jobs {
      do throws(FleetError) {
        switch try await client.cancel(job) {
        case .canceled, .asked: break
        case .ended(let record):
          hasFailed = true
          Descriptor.complain("\(job): it has ended before (\(record.outcome.name))")
        case .abandoned(let worker):
          Descriptor.complain("\(job): its worker \(worker) is gone; it may still run there")
        }
      } catch {
        hasFailed = true
        Descriptor.complain("\(job): \(error.message)")
      }
    }
    if hasFailed { throw ExitCode(1) }
  }
}

/// `telpher job list`
struct JobListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Lists the jobs that wait or run.",
    discussion: "The broker keeps the records of jobs that have ended for two weeks.")

  @OptionGroup var fleet: FleetOptions

  @Flag(help: "Also lists the jobs that have ended.")
  var all = false

  @Flag(help: "Prints the list again every 2 seconds.")
  var watch = false

  @Option(help: ArgumentHelp("The most jobs to list; 1000 by default.", valueName: "n"))
  var limit = 1_000

  func validate() throws {
    guard (1...Self.greatestLimit).contains(limit) else {
      throw ValidationError("--limit is 1 to \(Self.greatestLimit)")
    }
  }

  /// The most jobs in one list: their states are in memory at once.
  private static let greatestLimit = 100_000

  func run() async throws {
    let client = FleetClient(engine: try await FleetReach(fleet.settings).engine())
    try await Watching.print(repeats: watch) {
      FleetTable.jobs(try await client.list(all: all, limit: limit)).text
    }
  }
}

/// `telpher job show`
struct JobShowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Shows what the broker knows about a job.",
    discussion: "The exit status is 1 if the broker knows nothing of it.")

  @OptionGroup var fleet: FleetOptions

  @Flag(help: "Prints one JSON object.")
  var json = false

  @Argument(help: ArgumentHelp("The job.", valueName: "job"), transform: FleetArgument.job)
  var job: JobID

  func run() async throws {
    let client = FleetClient(engine: try await FleetReach(fleet.settings).engine())
    guard let status = try await client.status(of: job) else {
      throw Failure("the broker knows no job \(job)", status: 1)
    }
    let shown = ShownJob(status)
    if json { return try JSONText.print(shown) }
    try Descriptor.output.print(shown.text)
  }
}
