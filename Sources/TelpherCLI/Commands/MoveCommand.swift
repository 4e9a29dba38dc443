internal import ArgumentParser
internal import TelpherClient

/// `telpher mv`
struct MoveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mv",
    abstract: "Renames a file or folder of a server.",
    discussion: """
      Both paths are below the server's root. DESTINATION is the new path, in full: a folder that is \
      there takes nothing in. Nobody ever sees half of it.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(name: .shortAndLong, help: "Fails where there is something at DESTINATION.")
  var noClobber = false

  @Argument(help: "What to rename.")
  var source: String

  @Argument(help: "Its new path.")
  var destination: String

  func run() async throws {
    try await FileReach(server: server).perform(for: [source]) { connection, source in
      try await connection.move(source, to: destination, replacing: !noClobber)
    }
  }
}
