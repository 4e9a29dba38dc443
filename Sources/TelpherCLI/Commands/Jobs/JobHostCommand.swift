internal import ArgumentParser

/// `telpher job-host`, which telpher starts itself (`JobHostProcess`).
struct JobHostCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "job-host", abstract: "Keeps durable jobs.", shouldDisplay: false)

  @Argument(help: "The folder of the jobs.")
  var folder: String

  func run() async throws {
    let status = await JobHostRun(backend: CurrentBackend.require(), place: JobsPlace(folder)).run()
    if status != 0 { throw ExitCode(status) }
  }
}
