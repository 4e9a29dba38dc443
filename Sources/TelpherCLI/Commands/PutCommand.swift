internal import ArgumentParser

/// `telpher put`
struct PutCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "put",
    abstract: "Stores files on a server, verified and whole or not at all.",
    usage: "telpher put [OPTIONS] SOURCE ... DESTINATION",
    discussion: """
      DESTINATION is a path on the server. As with scp, a relative one and ~ start in the home of the \
      server's user, and an absolute one in /; of a server with 'telpher serve --root' all start in \
      that root. If it is a folder, what comes goes into it under its own name; a file that is there \
      is replaced, or the file that a link there leads to. Without --on and $TELPHER_ON it is the server at the default socket, or one that is \
      started for this command.

        telpher put --on ssh://me@host report.pdf .      into my home there
        telpher put -r --on ssh://me@host src backup     a folder; as backup/src if backup is there
        telpher put --resume disk.img images/            goes on where Ctrl-C stopped it
        pg_dump shop | telpher put - shop.sql            standard input, as one file

      Named files are always copied. With -r, files that have the same size and time there are \
      skipped; --checksum compares what they hold, and --if-exists says what else is to stay.

      \(exitStatusHelp)
      """)

  @OptionGroup var server: ServerOptions
  @OptionGroup var flags: TransferFlags

  @Argument(
    help: ArgumentHelp("Files here, and behind them the destination there.", valueName: "path"),
    completion: .file(), transform: PathArgument.parse)
  var paths: [PathArgument] = []

  func validate() throws { try TransferRun.check(paths) }

  func run() async throws {
    try await TransferRun(direction: .put, paths: paths, server: server, flags: flags).run()
  }

  /// What `put` and `get` end with.
  static let exitStatusHelp = """
    The exit status is 0 where all is in its place; 1 where something is not, which is told; 125 \
    where telpher or the connection failed; 128 + n where signal n stopped it. What is half stored \
    then has no name yet, and --resume takes it up.
    """
}
