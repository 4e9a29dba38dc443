internal import ArgumentParser
internal import TelpherServer

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

/// `telpher account-host`, which telpher starts itself (`AccountHostProcess`).
struct AccountHostCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "account-host", abstract: "Acts as another user for a server of root.",
    shouldDisplay: false)

  @Option(help: "The Unix socket at which it listens.")
  var socket: String

  @Option(help: "The user.")
  var user: String

  @Option(help: "The name of the folder of the client's jobs.")
  var jobsFolder: String

  @Option(help: "How long jobs are kept after their end, in milliseconds.")
  var keepJobsMs: Int64?

  @Option(help: "The most bytes of jobs that have ended.")
  var keepJobsBytes: UInt64?

  @Option(name: .customLong("folder"), help: "A folder whose files are served.")
  var folders: [String] = []

  @Option(help: "The listening socket, once the process is one of the user.")
  var listening: Int32?

  func run() async throws {
    let host = AccountHostRun(
      backend: CurrentBackend.require(), socket: socket, user: user, jobsFolder: jobsFolder,
      folders: folders, retention: retention)
    let status: Int32
    if let listening {
      status = await host.serve(on: listening)
    } else {
      status = host.becomeUser()
    }
    if status != 0 { throw ExitCode(status) }
  }

  private var retention: JobRetention {
    var retention = JobRetention()
    if let keepJobsMs { retention.maxAgeMS = keepJobsMs }
    retention.maxBytes = keepJobsBytes
    return retention
  }
}
