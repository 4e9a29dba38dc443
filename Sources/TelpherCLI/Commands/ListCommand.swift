internal import ArgumentParser
internal import Glibc
internal import TelpherClient

/// `telpher ls`
struct ListCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "ls",
    abstract: "Lists a folder of a server.",
    usage: "telpher ls [OPTIONS] [PATH]",
    discussion: """
      PATH is on the server; without it the home of its user is listed, or its root. One name a line, \
      sorted, folders with a slash after them; on a terminal, control characters and what is not UTF-8 \
      are escaped. -R gives paths below PATH, each folder before what it holds.

        telpher ls --on ssh://me@host                    my home there
        telpher ls -l backup                             with mode, size, time and links' targets
        telpher ls -R --json backup                      all that is below, a JSON object a line
      """)

  @OptionGroup var server: ServerOptions

  @Flag(name: .customShort("l"), help: "Tells mode, size in bytes, local time and links' targets.")
  var long = false

  @Flag(name: [.customShort("R"), .long], help: "Lists the folders below, too.")
  var recursive = false

  @Flag(name: .shortAndLong, help: "Lists names that begin with a dot, too; --json always does.")
  var all = false

  @Flag(help: "Prints one JSON object a line.")
  var json = false

  @Argument(help: "The folder or file.", transform: PathArgument.parse)
  var path = PathArgument(path: PathText(""))

  func run() async throws {
    try await FileReach(server: server).perform(for: [path.path]) { connection, path in
      let entries = try await connection.list(path, recursively: recursive)
      if json {
        for entry in entries { try JSONText.print(entry) }
      } else {
        let listing = Listing(
          base: path.bytes, isLong: long, showsHidden: all,
          isForTerminal: isatty(STDOUT_FILENO) == 1)
        try Descriptor.output.print(listing.text(of: entries))
      }
    }
  }
}
