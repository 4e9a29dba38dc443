internal import ArgumentParser
internal import TelpherClassic

/// `telpher classic run`
struct ClassicRunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Asks a tutorial's server.",
    usage: "telpher classic run DIALECT --on ADDRESS [--encoding NAME] [--] [COMMAND ...]",
    discussion: """
      Several words are joined by spaces. Without COMMAND, lines are read at a '>>: ' prompt, which \
      is written to standard error; 'quit' ends, and empty lines are not sent. An answer there ends \
      with a line's end, which is added where it lacks.

      'raw' can't tell where an answer ends. COMMAND is answered until the server is silent for a \
      second; at the prompt an answer is what one read of 1,024 bytes brings, as in the tutorials, \
      and the rest sticks to the next one.
      """)

  @Argument(
    help: "upper, raw, size, length or header.",
    completion: .list(["upper", "raw", "size", "length", "header"]),
    transform: ClassicDialectArgument.parse)
  var dialect: ClassicDialect

  @Option(
    help: ArgumentHelp(
      "The server: tcp:HOST:PORT or unix:PATH; udp:HOST:PORT for upper and raw.",
      valueName: "address"),
    transform: ClassicAddressArgument.parse)
  var on: ClassicAddress

  @Option(
    help: ArgumentHelp(
      "The encoding of the server's text, which is shown in UTF-8: gbk, say.", valueName: "name"))
  var encoding: String?

  @Argument(help: ArgumentHelp("The command.", valueName: "command"))
  var words: [String] = []

  func validate() throws {
    if dialect == .time { throw ValidationError("'telpher classic time' asks for the time") }
    if dialect == .upload { throw ValidationError("'telpher classic upload' sends files") }
    if dialect == .chat { throw ValidationError("'telpher classic chat' talks to friends") }
  }

  func run() async throws {
    do {
      let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: false)
      let client = try await ClassicClient.connect(dialect, to: on, on: loop, encoding: encoding)
      let talk = ClassicTalk(client: client)
      if words.isEmpty {
        try await talk.askWhatIsTyped()
      } else {
        try await talk.askOnce(words.joined(separator: " "))
      }
    } catch {
      throw Failure(error)
    }
  }
}
