internal import ArgumentParser

/// `telpher relay`, which telpher starts itself (`RelayProcess`).
struct RelayCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "relay", abstract: "Keeps a connection to a server for other commands.",
    shouldDisplay: false)

  @Argument(help: "The server's address, for ps(1).")
  var address: String

  func run() async throws {
    let status = await RelayHost(backend: CurrentBackend.require()).run()
    if status != 0 { throw ExitCode(status) }
  }
}

/// `telpher job-host`, which telpher starts itself (`JobHostProcess`).
struct JobHostCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "job-host", abstract: "Keeps durable jobs.", shouldDisplay: false)

  @Option(help: "The file that says how long jobs are kept after their end.")
  var retention: String

  @Argument(help: "The folder of the jobs.")
  var folder: String

  func run() async throws {
    let status = await JobHostRun(
      backend: CurrentBackend.require(), place: JobsPlace(folder), retentionFile: retention
    ).run()
    if status != 0 { throw ExitCode(status) }
  }
}
