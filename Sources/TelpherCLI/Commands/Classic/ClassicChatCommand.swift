internal import ArgumentParser
internal import TelpherClassic
internal import TelpherTransport

/// `telpher classic chat`
struct ClassicChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat",
    abstract: "Talks to a tutorial's chat clients, or servers.",
    discussion: """
      With --listen you are the operator: each message is printed with who it came from, and each \
      line you type answers the one that waits longest, or, as @HOST:PORT TEXT, whom you name. \
      'quit' ends. 'telpher classic serve chat' is the same.

      With --friends you pick a friend by name and talk until 'quit', then pick another; 'quit' there \
      ends. The file has a name and HOST:PORT on each line. After each text its reply is waited for, \
      for up to 10 s; what comes later is printed when it comes.
      """)

  @Option(
    help: ArgumentHelp(
      "Where to listen, as the operator: udp:HOST:PORT, on this machine only.",
      valueName: "address"),
    transform: ClassicAddressArgument.parse)
  var listen: ClassicAddress?

  @Option(help: ArgumentHelp("The file with your friends.", valueName: "file"), completion: .file())
  var friends: String?

  @Option(
    help: ArgumentHelp("The encoding of the texts on their way: gbk, say.", valueName: "name"))
  var encoding: String?

  func validate() throws {
    guard (listen == nil) != (friends == nil) else {
      throw ValidationError("say either --listen ADDRESS or --friends FILE")
    }
  }

  func run() async throws {
    do {
      let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: false)
      let socket = try ChatSocket(on: loop, encoding: encoding)
      if let listen {
        try await ChatOperator(socket: socket).run(at: listen)
      } else if let friends {
        let list = try ChatFriends(parsing: try SmallFile.text(friends))
        try await ChatClient(socket: socket, friends: list).run()
      }
    } catch {
      throw Failure(error)
    }
  }
}
