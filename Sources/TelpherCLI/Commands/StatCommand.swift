internal import ArgumentParser
internal import TelpherClient

/// `telpher stat`
struct StatCommand: AsyncParsableCommand, TakesManyPaths {
  static let configuration = CommandConfiguration(
    commandName: "stat",
    abstract: "Prints the kind, size, mode and time of files on a server.",
    discussion: """
      Each PATH is on the server. Relative paths start in the home folder of the server's user, or \
      in the server's --root. The exit status is 1 if a path does not exist.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(
    name: [.customShort("L"), .customLong("follow")],
    help: "If PATH is a link, describes its target instead of the link.")
  var follows = false

  @Flag(help: "Prints one JSON object for each path, one a line.")
  var json = false

  @Argument(
    help: ArgumentHelp("The files, links and folders to describe.", valueName: "path"),
    transform: PathArgument.parse)
  var paths: [PathArgument]

  func run() async throws {
    try await FileReach(server: server).perform(for: paths.map(\.path)) { connection, path in
      let entry = try await connection.status(of: path, followsLink: follows)
      if json {
        try JSONText.print(entry)
      } else {
        try Descriptor.output.print(EntryText.paragraph(entry))
      }
    }
  }
}
