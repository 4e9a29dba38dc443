internal import ArgumentParser
internal import TelpherClient
internal import TelpherText

/// `telpher uninstall`
struct UninstallCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "uninstall",
    abstract: "Removes what --install has copied to another machine.",
    usage: "telpher uninstall ADDRESS",
    discussion: """
      ADDRESS is the name of a host, or an address as --on takes it. Every version in \
      ~/.cache/telpher there is removed, and nothing else. Commands that run from it continue.

        telpher uninstall build
        telpher uninstall docker://web
      """)

  @Argument(
    help: ArgumentHelp("The host.", valueName: "address"), completion: WordCompletion.server)
  var address: String

  func run() async throws {
    do {
      let environment = Environment.current()
      let endpoint = try HostName.server(address, environment: environment).endpoint
      guard case .carrier(let carrier) = endpoint else {
        throw ClientError(.badAddress, "telpher copies nothing to \(endpoint)")
      }
      let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: true)
      let line = try await ConnectingSignals.interruptible(on: loop) {
        try await Connection.uninstall(from: carrier, on: loop, environment: Environment.all())
      }
      try Descriptor.output.print(ShownText.escaped(line) + "\n")
    } catch {
      throw Failure(error)
    }
  }
}
