internal import ArgumentParser
internal import Glibc
internal import TelpherClient

/// `telpher ls`
struct ListCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "ls",
    abstract: "Lists a folder on a server.",
    usage: "telpher ls [OPTIONS] [[HOST:]PATH]",
    discussion: """
      PATH is on the server of --on, or on HOST (see 'telpher on --help'); without it, the home folder of the server's user is listed, or the \
      server's --root. Names are sorted, one a line; a slash marks a folder. On a terminal, \
      control characters and bytes that are not UTF-8 are escaped. -R prints paths relative to \
      PATH, each folder before its contents.

        telpher ls build:              my home on the host build
        telpher ls -l backup           with mode, size, time, link target
        telpher ls -R --json backup    the whole tree as JSON, one object a line
      """)

  @OptionGroup var server: ServerOptions

  @Flag(
    name: .customShort("l"),
    help: "Also prints mode, size in bytes, local time and the target of a link.")
  var long = false

  @Flag(name: [.customShort("R"), .long], help: "Also lists the contents of all subfolders.")
  var recursive = false

  @Flag(
    name: .shortAndLong, help: "Also lists names that begin with a dot. --json always lists them.")
  var all = false

  @Flag(help: "Prints one JSON object for each entry, one a line.")
  var json = false

  @Argument(
    help: "The folder or file to list.", completion: WordCompletion.path,
    transform: PathArgument.parse)
  var path = PathArgument(path: PathText(""))

  func run() async throws {
    try await FileReach(server: server).perform(for: [path]) { connection, path in
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
