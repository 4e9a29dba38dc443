internal import ArgumentParser
internal import TelpherClassic
internal import TelpherTransport

/// `telpher classic chat`
struct ClassicChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat",
    abstract: "Talks to a tutorial's chat clients or servers.",
    discussion: """
      With --listen you are the operator. Each message is printed with its sender's address. Each \
      line you type answers the friend who has waited longest; '@HOST:PORT TEXT' answers the friend \
      at that address. 'quit' ends the chat. 'telpher classic serve chat' does the same.

      With --friends you pick a friend by name and talk until 'quit', then pick the next; 'quit' at \
      the list ends the chat. The file has a name and HOST:PORT on each line. After each text you \
      wait up to 10 s for the reply; a later reply is printed when it arrives.
      """)

  @Option(
    help: ArgumentHelp(
      "The address to listen at, as the operator: udp:HOST:PORT, on this machine only.",
      valueName: "address"),
    transform: ClassicAddressArgument.parse)
  var listen: ClassicAddress?

  @Option(
    help: ArgumentHelp("The file that lists your friends.", valueName: "file"), completion: .file())
  var friends: String?

  @Option(
    help: ArgumentHelp("The encoding of texts on the network, such as gbk.", valueName: "name"))
  var encoding: String?

  func validate() throws {
    guard (listen == nil) != (friends == nil) else {
      throw ValidationError("use either --listen ADDRESS or --friends FILE")
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
