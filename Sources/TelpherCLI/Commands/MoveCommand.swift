internal import ArgumentParser
internal import TelpherClient

/// `telpher mv`
struct MoveCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "mv",
    abstract: "Renames a file or folder on a server.",
    discussion: """
      Both paths are on the server. Relative paths start in the home folder of the server's user, \
      or in the server's --root. DESTINATION is the complete new path: unlike mv(1), telpher does \
      not move SOURCE into an existing folder. The rename is atomic.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(name: .shortAndLong, help: "Fails if DESTINATION exists, instead of replacing it.")
  var noClobber = false

  @Argument(help: "The file or folder to rename.", transform: PathArgument.parse)
  var source: PathArgument

  @Argument(help: "Its new path.", transform: PathArgument.parse)
  var destination: PathArgument

  func run() async throws {
    try await FileReach(server: server).perform(for: [source.path]) { connection, source in
      try await connection.move(source, to: destination.path, replacing: !noClobber)
    }
  }
}
