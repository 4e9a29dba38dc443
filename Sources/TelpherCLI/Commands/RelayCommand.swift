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
