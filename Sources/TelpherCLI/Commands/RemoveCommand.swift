internal import ArgumentParser
internal import TelpherClient

/// `telpher rm`
struct RemoveCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "rm",
    abstract: "Removes files, links and folders of a server.",
    discussion: """
      Each PATH is on the server, where a relative one starts in the home of its user, or in its root. \
      Links are removed, not what they lead to. An empty folder needs no -r. What can't be removed is \
      told, and the rest is removed all the same.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(name: [.customShort("r"), .long], help: "Removes folders with all that they hold.")
  var recursive = false

  @Argument(help: "What to remove.", transform: PathArgument.parse)
  var path: [PathArgument]

  func run() async throws {
    try await FileReach(server: server).perform(for: path.map(\.path)) { connection, path in
      try await connection.remove(path, recursively: recursive)
    }
  }
}
