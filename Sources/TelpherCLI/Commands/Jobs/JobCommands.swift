internal import ArgumentParser
internal import TelpherClient

/// `telpher wait`
struct WaitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wait",
    abstract: "Waits until durable jobs have ended.",
    discussion: """
      The exit status is that of the job, as 'telpher run' gives it; of several jobs, the status \
      of the first one on the command line that did not exit with 0. It is 128 + n if signal n or \
      'telpher kill' ended the job; 125 if a job is not found, or \
      if it is unknown how it ended (state 'unknown' in 'telpher jobs').
      """)

  @OptionGroup var server: ServerOptions

  @Argument(
    help: ArgumentHelp("The jobs. For each: \(JobOptions.referenceRule).", valueName: "job"),
    transform: JobOptions.parseReference)
  var jobs: [String]

  func run() async throws {
    let outcomes = try await JobsInvocation(server: server.settings).perform(on: jobs) {
      try await $0.waitForJob($1)
    }
    let statuses = outcomes.map { job, outcome in
      if let message = ExitStatus.explanation(ofJob: outcome) {
        Descriptor.complain(jobs.count == 1 ? message : "\(job): \(message)")
      }
      return ExitStatus.status(forJob: outcome)
    }
    if let status = statuses.first(where: { $0 != 0 }) { throw ExitCode(status) }
  }
}

/// `telpher forget`
struct ForgetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget",
    abstract: "Removes durable jobs that have ended, with their output.",
    discussion: """
      A job is removed by itself a week after its end ('telpher serve --keep-jobs'). All journals \
      together use at most 4 GiB; if those of ended jobs need more than half of it ('telpher serve \
      --keep-jobs-size'), the oldest are removed earlier, but none in the hour after its end. When all is full, new jobs are refused until you forget old ones. \
      The exit status is 1 if a job is not found or has not ended.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(help: "Removes all jobs that have ended.")
  var all = false

  @Argument(
    help: ArgumentHelp("The jobs. For each: \(JobOptions.referenceRule).", valueName: "job"),
    transform: JobOptions.parseReference)
  var jobs: [String] = []

  func validate() throws {
    if all != jobs.isEmpty {
      throw ValidationError("Name the jobs to forget, or give --all")
    }
  }

  func run() async throws {
    let invocation = JobsInvocation(server: server.settings)
    let ended = all ? try await invocation.endedJobs() : jobs
    try await invocation.change(ended) { try await $0.forgetJob($1) }
  }
}
