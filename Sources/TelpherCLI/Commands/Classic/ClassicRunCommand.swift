internal import ArgumentParser
internal import TelpherClassic

/// `telpher classic run`
struct ClassicRunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Asks a tutorial's server.",
    usage: """
      telpher classic run DIALECT --on ADDRESS [--encoding NAME] [--ack KIND] [--silence DURATION] \
      [--] [COMMAND ...]
      """,
    discussion: """
      Several words are joined by spaces. Without COMMAND, lines are read at a '>>: ' prompt, which \
      is written to standard error; 'quit' ends, and empty lines are not sent. An answer there ends \
      with a line's end, which is added where it lacks.

      'raw' can't tell where an answer ends. After COMMAND this side of the connection is ended: at \
      the first byte of the answer, or after a second. A tutorial's server then ends its side after \
      the answer, even an empty one. If it does not, the answer ends with a second of silence; if \
      nothing comes at all for 10 s, the status is 125. At the prompt an answer is what one read of \
      1,024 bytes brings, as in the tutorials, and the rest sticks to the next one.

      'size': some servers wait for an acknowledgement of the size, others sleep before the answer \
      and would run an acknowledgement as a command. With --ack auto the first size is acknowledged \
      only after 2 s without an answer.
      """)

  @Argument(
    help: "upper, raw, size, length, header or reply.",
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
      "The encoding of the server's text, which is shown in UTF-8: gbk, say.", valueName: "name"))
  var encoding: String?

  @Option(
    help: ArgumentHelp(
      "Whether 'size' acknowledges sizes: auto, always or never.", valueName: "kind"),
    completion: .list(ClassicAcknowledgement.allCases.map(\.rawValue)),
    transform: ClassicAcknowledgementArgument.parse)
  var ack = ClassicAcknowledgement.automatic

  @Option(
    help: ArgumentHelp(
      "How long a server of 'raw' may be silent in an answer (default: 1s), and before it (10s).",
      valueName: "duration"), transform: DurationArgument.parse)
  var silence: Duration?

  @Argument(help: ArgumentHelp("The command.", valueName: "command"))
  var words: [String] = []

  func validate() throws {
    if silence != nil, dialect != .raw, dialect != .reply {
      throw ValidationError("--silence is for 'raw' and 'reply'")
    }
    if ack != .automatic, dialect != .size { throw ValidationError("--ack is for 'size'") }
    if dialect == .time { throw ValidationError("'telpher classic time' asks for the time") }
    if dialect == .upload { throw ValidationError("'telpher classic upload' sends files") }
    if dialect == .chat { throw ValidationError("'telpher classic chat' talks to friends") }
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
        try await talk.askWhatIsTyped()
      } else {
        try await talk.askOnce(words.joined(separator: " "))
      }
    } catch {
      throw Failure(error)
    }
  }
}
