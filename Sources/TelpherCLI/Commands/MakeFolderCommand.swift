internal import ArgumentParser
internal import TelpherClient

/// `telpher mkdir`
struct MakeFolderCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "mkdir",
    abstract: "Makes folders on a server.",
    discussion: """
      Each PATH is on the server, where a relative one starts in the home of its user, or in its root.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(
    name: [.customShort("p"), .long],
    help: "Makes missing parents, too; a folder that is there is fine.")
  var parents = false

  @Argument(help: "The folders.", transform: PathArgument.parse)
  var path: [PathArgument]

  func run() async throws {
    try await FileReach(server: server).perform(for: path.map(\.path)) { connection, path in
      try await connection.makeFolder(path, withParents: parents)
    }
  }
}
