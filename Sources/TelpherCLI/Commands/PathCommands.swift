internal import ArgumentParser
internal import Glibc
internal import TelpherClient

/// `telpher stat`
struct StatCommand: AsyncParsableCommand, TakesManyPaths {
  static let configuration = CommandConfiguration(
    commandName: "stat",
    abstract: "Prints the kind, size, mode and time of files on a server.",
    discussion: """
      Each PATH is on the server: [HOST:]PATH, where HOST is as for 'telpher on' and the same for \
      all. Relative paths start in the home folder of the server's user, or \
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
    completion: WordCompletion.path, transform: PathArgument.parse)
  var paths: [PathArgument]

  func run() async throws {
    try await FileReach(server: server).perform(for: paths) { connection, path in
      let entry = try await connection.status(of: path, followsLink: follows)
      if json {
        try JSONText.print(entry)
      } else {
        try Descriptor.output.print(EntryText.paragraph(entry))
      }
    }
  }
}

/// `telpher mkdir`
struct MakeFolderCommand: AsyncParsableCommand, TakesManyPaths {
  static let configuration = CommandConfiguration(
    commandName: "mkdir",
    abstract: "Creates folders on a server.",
    discussion: """
      Each PATH is on the server: [HOST:]PATH, where HOST is as for 'telpher on' and the same for \
      all. Relative paths start in the home folder of the server's user, or \
      in the server's --root.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(
    name: [.customShort("p"), .long],
    help: "Also creates missing parent folders; a folder that exists is no error.")
  var parents = false

  @Argument(
    help: ArgumentHelp("The folders to create.", valueName: "path"),
    completion: WordCompletion.path, transform: PathArgument.parse)
  var paths: [PathArgument]

  func run() async throws {
    try await FileReach(server: server).perform(for: paths) { connection, path in
      do {
        try await connection.makeFolder(path, withParents: parents)
      } catch let error as FileError where error.errno == ENOENT && !parents {
        throw error.advising("-p also makes missing parents")
      }
    }
  }
}

/// `telpher rm`
struct RemoveCommand: AsyncParsableCommand, TakesManyPaths {
  static let configuration = CommandConfiguration(
    commandName: "rm",
    abstract: "Removes files, links and folders on a server.",
    discussion: """
      Each PATH is on the server: [HOST:]PATH, where HOST is as for 'telpher on' and the same for \
      all. Relative paths start in the home folder of the server's user, or \
      in the server's --root. A link is removed, not its target. An empty folder needs no -r. If \
      an entry cannot be removed, telpher reports it, removes the rest and exits with status 1.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(name: [.customShort("r"), .long], help: "Removes folders and everything in them.")
  var recursive = false

  @Argument(
    help: ArgumentHelp("The files, links and folders to remove.", valueName: "path"),
    completion: WordCompletion.path, transform: PathArgument.parse)
  var paths: [PathArgument]

  func run() async throws {
    try await FileReach(server: server).perform(for: paths) { connection, path in
      do {
        try await connection.remove(path, recursively: recursive)
      } catch let error as FileError where error.errno == ENOTEMPTY {
        throw error.advising("-r removes it with everything in it")
      }
    }
  }
}

/// `telpher mv`
struct MoveCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "mv",
    abstract: "Renames a file or folder on a server.",
    discussion: """
      Both paths are on the server: [HOST:]PATH, where HOST is as for 'telpher on' and the same \
      for both. Relative paths start in the home folder of the server's user, \
      or in the server's --root. DESTINATION is the complete new path: unlike mv(1), telpher does \
      not move SOURCE into an existing folder. The rename is atomic.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(name: .shortAndLong, help: "Fails if DESTINATION exists, instead of replacing it.")
  var noClobber = false

  @Argument(
    help: "The file or folder to rename.", completion: WordCompletion.path,
    transform: PathArgument.parse)
  var source: PathArgument

  @Argument(help: "Its new path.", completion: WordCompletion.path, transform: PathArgument.parse)
  var destination: PathArgument

  func run() async throws {
    try await FileReach(server: server).perform(for: [source], besides: [destination]) {
      connection, source in
      try await connection.move(source, to: destination.path, replacing: !noClobber)
    }
  }
}
