internal import ArgumentParser

/// `telpher put`
struct PutCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "put",
    abstract: "Stores files on a server, verified and whole or not at all.",
    usage: "telpher put [OPTIONS] SOURCE ... DESTINATION",
    discussion: """
      DESTINATION is a path below the server's root: its user's home, unless 'telpher serve --root' \
      says otherwise. Where it is a folder, what comes goes into it under its own name. Without --on \
      and $TELPHER_ON it is the server at the default socket, or one that is started for this command.

        telpher put --on ssh://me@host report.pdf .      into my home there
        telpher put -r --on ssh://me@host src backup     a folder; as backup/src where backup is there
        telpher put --resume disk.img images/            goes on where Ctrl-C stopped it
        pg_dump shop | telpher put - shop.sql            standard input, as one file

      \(exitStatusHelp)
      """)

  @OptionGroup var server: ServerOptions
  @OptionGroup var flags: TransferFlags

  @Argument(
    help: ArgumentHelp("Files here, and behind them the destination there.", valueName: "path"),
    completion: .file())
  var paths: [String] = []

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
