internal import ArgumentParser
internal import TelpherClient

/// `telpher mv`
struct MoveCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "mv",
    abstract: "Renames a file or folder of a server.",
    discussion: """
      Both paths are on the server, where relative ones start in the home of its user, or in its root. \
      DESTINATION is the new path, in full: a folder that is there takes nothing in. It happens in one \
      step.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(name: .shortAndLong, help: "Fails where there is something at DESTINATION.")
  var noClobber = false

  @Argument(help: "What to rename.", transform: PathArgument.parse)
  var source: PathArgument

  @Argument(help: "Its new path.", transform: PathArgument.parse)
  var destination: PathArgument

  func run() async throws {
    try await FileReach(server: server).perform(for: [source.path]) { connection, source in
      try await connection.move(source, to: destination.path, replacing: !noClobber)
    }
  }
}
