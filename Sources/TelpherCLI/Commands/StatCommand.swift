internal import ArgumentParser
internal import TelpherClient

/// `telpher stat`
struct StatCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "stat",
    abstract: "Tells what there is at a path of a server.",
    discussion: """
      Each PATH is on the server, where a relative one starts in the home of its user, or in its root. \
      The exit status is 1 if one is not there.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(
    name: [.customShort("L"), .customLong("follow")], help: "Follows a link at the end of PATH.")
  var follows = false

  @Flag(help: "Prints one JSON object a line.")
  var json = false

  @Argument(help: "What to tell of.", transform: PathArgument.parse)
  var path: [PathArgument]

  func run() async throws {
    try await FileReach(server: server).perform(for: path.map(\.path)) { connection, path in
      let entry = try await connection.status(of: path, followsLink: follows)
      if json {
        try JSONText.print(entry)
      } else {
        try Descriptor.output.print(EntryText.paragraph(entry))
      }
    }
  }
}
