internal import ArgumentParser
internal import Glibc
internal import TelpherClient

/// `telpher rm`
struct RemoveCommand: AsyncParsableCommand, TakesManyPaths {
  static let configuration = CommandConfiguration(
    commandName: "rm",
    abstract: "Removes files, links and folders on a server.",
    discussion: """
      Each PATH is on the server. Relative paths start in the home folder of the server's user, or \
      in the server's --root. A link is removed, not its target. An empty folder needs no -r. If \
      an entry cannot be removed, telpher reports it, removes the rest and exits with status 1.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(name: [.customShort("r"), .long], help: "Removes folders and everything in them.")
  var recursive = false

  @Argument(
    help: ArgumentHelp("The files, links and folders to remove.", valueName: "path"),
    transform: PathArgument.parse)
  var paths: [PathArgument]

  func run() async throws {
    try await FileReach(server: server).perform(for: paths.map(\.path)) { connection, path in
      do {
        try await connection.remove(path, recursively: recursive)
      } catch let error as FileError where error.errno == ENOTEMPTY {
        throw error.advising("-r removes it with everything in it")
      }
    }
  }
}
