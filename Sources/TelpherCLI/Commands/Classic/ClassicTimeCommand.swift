internal import ArgumentParser
internal import TelpherClassic

/// `telpher classic time`
struct ClassicTimeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "time", abstract: "Asks a tutorial's server for the time.",
    discussion: """
      With --prompt a format is read from each line at a '>>: ' prompt, which is written to standard \
      error; an empty line asks for the server's own format, and 'quit' ends.
      """)

  @Option(
    help: ArgumentHelp("The server: udp:HOST:PORT.", valueName: "address"),
    transform: ClassicAddressArgument.parse)
  var on: ClassicAddress

  @Option(
    help: ArgumentHelp("The encoding of the server's text.", valueName: "name"))
  var encoding: String?

  @Flag(help: "Asks for formats at a prompt.")
  var prompt = false

  @Argument(
    help: ArgumentHelp("A strftime(3) format. Default: the server's, %Y-%m-%d %X."))
  var format = ""

  func validate() throws {
    guard !prompt || format.isEmpty else {
      throw ValidationError("say either --prompt or a format")
    }
  }

  func run() async throws {
    do {
      let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: false)
      let client = try await ClassicClient.connect(.time, to: on, on: loop, encoding: encoding)
      let talk = ClassicTalk(client: client)
      if prompt {
        try await talk.askWhatIsTyped(takesEmptyLines: true)
      } else {
        try await talk.askOnce(format, endsLine: true)
      }
    } catch {
      throw Failure(error)
    }
  }
}
