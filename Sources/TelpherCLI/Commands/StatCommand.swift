internal import ArgumentParser
internal import TelpherClient

/// `telpher stat`
struct StatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stat",
    abstract: "Tells what there is at a path of a server.",
    discussion: "Each PATH is below the server's root. The exit status is 1 where one is not there."
  )

  @OptionGroup var server: ServerOptions

  @Flag(
    name: [.customShort("L"), .customLong("follow")], help: "Follows a link at the end of PATH.")
  var follows = false

  @Flag(help: "Prints one JSON object a line.")
  var json = false

  @Argument(help: "What to tell of.")
  var path: [String]

  func run() async throws {
    try await FileReach(server: server).perform(for: path) { connection, path in
      let entry = try await connection.status(of: path, followsLink: follows)
      if json {
        try JSONText.print(entry)
      } else {
        try Descriptor.output.print(EntryText.paragraph(entry))
      }
    }
  }
}
