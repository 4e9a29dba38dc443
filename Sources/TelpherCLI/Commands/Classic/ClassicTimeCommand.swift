internal import ArgumentParser
internal import TelpherClassic

/// `telpher classic time`
struct ClassicTimeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "time", abstract: "Asks a tutorial's server for the time.")

  @Option(
    help: ArgumentHelp("The server: udp:HOST:PORT.", valueName: "address"),
    transform: ClassicAddressArgument.parse)
  var on: ClassicAddress

  @Option(
    help: ArgumentHelp("The encoding of the server's text.", valueName: "name"))
  var encoding: String?

  @Argument(
    help: ArgumentHelp("A strftime(3) format. Default: the server's, %Y-%m-%d %X."))
  var format = ""

  func run() async throws {
    do {
      let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: false)
      let client = try await ClassicClient.connect(.time, to: on, on: loop, encoding: encoding)
      try await ClassicTalk(client: client).askOnce(format, endsLine: true)
    } catch {
      throw Failure(error)
    }
  }
}
