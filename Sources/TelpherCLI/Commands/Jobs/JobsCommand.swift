internal import ArgumentParser
internal import TelpherClient
internal import TelpherText
internal import TelpherWire

/// `telpher jobs`
struct JobsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "jobs",
    abstract: "Lists the durable jobs of a server.",
    discussion: """
      'telpher run --detach' starts them. A job that has ended is listed for a week \
      ('telpher serve --keep-jobs'), or until 'telpher forget'. A line has the beginning of the id, the name, the state \
      or how the job ended, how long it runs or ran, how much output it wrote, the peak memory of \
      its largest process, and the command. The state 'unknown' means that the job's end was not \
      seen, because the machine has restarted or the process that kept the job was killed.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(help: "Also lists the jobs that have ended.")
  var all = false

  @Flag(help: "Prints one JSON object.")
  var json = false

  func run() async throws {
    do {
      let connection = try await ServerReach(settings: server.settings)
        .connect(embeddedServer: .allowed).connection
      let jobs = try await connection.jobRecords().filter {
        all || $0.state == .running || $0.state == .starting
      }
      if json { return try JSONText.print(["jobs": jobs]) }
      try Descriptor.output.print(JobList(jobs).text)
    } catch {
      throw Failure(error)
    }
  }
}
