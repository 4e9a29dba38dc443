internal import ArgumentParser
internal import TelpherClassic

/// `telpher classic time`
struct ClassicTimeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "time", abstract: "Asks a tutorial's server for the time.",
    discussion: """
      With --prompt, each line at a '>>: ' prompt on standard error is a format. An empty line asks \
      for the server's default format; 'quit' ends.
      """)

  @Option(
    help: ArgumentHelp("The server: udp:HOST:PORT.", valueName: "address"),
    transform: ClassicAddressArgument.parse)
  var on: ClassicAddress

  @Option(
    help: ArgumentHelp("The encoding of the server's text.", valueName: "name"))
  var encoding: String?

  @Flag(help: "Reads formats at a prompt.")
  var prompt = false

  @Argument(
    help: ArgumentHelp("A strftime(3) format. Default: the server's default, %Y-%m-%d %X."))
  var format = ""

  func validate() throws {
    guard !prompt || format.isEmpty else {
      throw ValidationError("use either --prompt or a format, not both")
    }
  }

  func run() async throws {
    do {
      let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: false)
      let client = try await ClassicClient.connect(.time, to: on, on: loop, encoding: encoding)
      let talk = ClassicTalk(client: client)
      if prompt {
        try await talk.askTypedLines(takesEmptyLines: true)
      } else {
        try await talk.askOnce(format, endsLine: true)
      }
    } catch {
      throw Failure(error)
    }
  }
}
