internal import ArgumentParser
internal import TelpherClassic

/// `telpher classic run`
struct ClassicRunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Sends commands or text to a tutorial's server.",
    usage: """
      telpher classic run DIALECT --on ADDRESS [--encoding NAME] [--ack KIND] [--silence DURATION] \
      [--] [COMMAND ...]
      """,
    discussion: """
      The words of COMMAND are joined by spaces. Without COMMAND, lines are read at a '>>: ' \
      prompt on standard error; 'quit' ends, and empty lines are not sent. At the prompt, telpher \
      adds a line end to an answer that has none.

      'raw' does not mark the end of an answer. With COMMAND, the client ends its sending side at \
      the first byte of the answer, or after a second without one. A tutorial's server then closes \
      the connection after its answer, even an empty one. If it does not, the answer ends after a \
      second of silence; if nothing arrives for 10 s, the status is 125. At the prompt, an answer \
      is one read of at most 1,024 bytes, as in the tutorials; the rest is shown with the next \
      answer. If nothing arrives for 10 s, the prompt returns.

      With 'size', some servers wait until the client acknowledges the size. Others sleep before the \
      answer, and would run an acknowledgement as a command. With --ack auto, the client \
      acknowledges the first size only after 2 s without an answer.
      """)

  @Argument(
    help: "The dialect: upper, raw, size, length, header or reply.",
    completion: .list(["upper", "raw", "size", "length", "header", "reply"]),
    transform: ClassicDialectArgument.parse)
  var dialect: ClassicDialect

  @Option(
    help: ArgumentHelp(
      "The server: tcp:HOST:PORT or unix:PATH; udp:HOST:PORT for upper, raw and reply.",
      valueName: "address"),
    transform: ClassicAddressArgument.parse)
  var on: ClassicAddress

  @Option(
    help: ArgumentHelp(
      "The encoding of the server's text, such as gbk; it is shown in UTF-8.", valueName: "name"))
  var encoding: String?

  @Option(
    help: ArgumentHelp(
      "When 'size' acknowledges a size: auto, always or never.", valueName: "kind"),
    completion: .list(ClassicAcknowledgement.allCases.map(\.rawValue)),
    transform: ClassicAcknowledgementArgument.parse)
  var ack = ClassicAcknowledgement.automatic

  @Option(
    help: ArgumentHelp(
      "How long 'raw' or 'reply' waits for more of an answer (default: 1s) and for its start (10s).",
      valueName: "duration"), transform: DurationArgument.parse)
  var silence: Duration?

  @Argument(help: ArgumentHelp("The command or text to send.", valueName: "command"))
  var words: [String] = []

  func validate() throws {
    if silence != nil, dialect != .raw, dialect != .reply {
      throw ValidationError("--silence works only with 'raw' and 'reply'")
    }
    if ack != .automatic, dialect != .size {
      throw ValidationError("--ack works only with 'size'")
    }
    if dialect == .time { throw ValidationError("use 'telpher classic time' to ask for the time") }
    if dialect == .upload { throw ValidationError("use 'telpher classic upload' to send files") }
    if dialect == .chat { throw ValidationError("use 'telpher classic chat' to talk to friends") }
  }

  func run() async throws {
    do {
      let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: false)
      var limits = ClassicLimits()
      if let silence = silence?.wholeNanoseconds {
        (limits.silence, limits.firstAnswer) = (silence, silence)
      }
      let client = try await ClassicClient.connect(
        dialect, to: on, on: loop, encoding: encoding, limits: limits, acknowledgement: ack,
        notice: { Descriptor.complain($0) })
      let talk = ClassicTalk(client: client)
      if words.isEmpty {
        try await talk.askTypedLines()
      } else {
        try await talk.askOnce(words.joined(separator: " "))
      }
    } catch {
      throw Failure(error)
    }
  }
}
