internal import ArgumentParser
internal import TelpherClient

/// `telpher mkdir`
struct MakeFolderCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mkdir",
    abstract: "Makes folders on a server.",
    discussion: "Each PATH is below the server's root.")

  @OptionGroup var server: ServerOptions

  @Flag(
    name: [.customShort("p"), .long],
    help: "Makes missing parents, too; a folder that is there is fine.")
  var parents = false

  @Argument(help: "The folders.")
  var path: [String]

  func run() async throws {
    try await FileReach(server: server).perform(for: path) { connection, path in
      try await connection.makeFolder(path, withParents: parents)
    }
  }
}
