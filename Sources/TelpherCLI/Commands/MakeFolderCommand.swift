internal import ArgumentParser
internal import Glibc
internal import TelpherClient

/// `telpher mkdir`
struct MakeFolderCommand: AsyncParsableCommand, TakesManyPaths {
  static let configuration = CommandConfiguration(
    commandName: "mkdir",
    abstract: "Creates folders on a server.",
    discussion: """
      Each PATH is on the server. Relative paths start in the home folder of the server's user, or \
      in the server's --root.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(
    name: [.customShort("p"), .long],
    help: "Also creates missing parent folders; a folder that exists is no error.")
  var parents = false

  @Argument(
    help: ArgumentHelp("The folders to create.", valueName: "path"),
    transform: PathArgument.parse)
  var paths: [PathArgument]

  func run() async throws {
    try await FileReach(server: server).perform(for: paths.map(\.path)) { connection, path in
      do {
        try await connection.makeFolder(path, withParents: parents)
      } catch let error as FileError where error.errno == ENOENT && !parents {
        throw error.advising("-p also makes missing parents")
      }
    }
  }
}
