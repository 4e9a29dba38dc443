internal import ArgumentParser
internal import TelpherClient

/// `telpher rm`
struct RemoveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rm",
    abstract: "Removes files, links and folders of a server.",
    discussion: """
      Each PATH is below the server's root. Links are removed, not what they lead to. An empty folder \
      needs no -r.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(name: [.customShort("r"), .long], help: "Removes folders with all that they hold.")
  var recursive = false

  @Argument(help: "What to remove.")
  var path: [String]

  func run() async throws {
    try await FileReach(server: server).perform(for: path) { connection, path in
      try await connection.remove(path, recursively: recursive)
    }
  }
}
