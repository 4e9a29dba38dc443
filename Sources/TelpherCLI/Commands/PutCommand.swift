internal import ArgumentParser

/// `telpher put`
struct PutCommand: AsyncParsableCommand, TakesManyPaths {
  static let configuration = CommandConfiguration(
    commandName: "put",
    abstract: "Copies files from this machine to a server and verifies each with a checksum.",
    usage: "telpher put [OPTIONS] SOURCE ... [HOST:]DESTINATION",
    discussion: """
      DESTINATION is a path on the server: HOST:PATH as with scp, where HOST is as for 'telpher on', \
      or a path on the server of --on. A local file with a colon in its name is ./NAME. As with scp, relative paths and ~ start in the home \
      folder of the server's user, and absolute paths start at /. If the server runs with --root, \
      all paths start in that root. If DESTINATION is an existing folder, the files go into it and \
      keep their names. An existing file is replaced; if DESTINATION is a link to a file, that \
      file is replaced. A file appears under its name only when it is complete and verified.

      Without --on and $TELPHER_ON, telpher uses your running 'telpher serve', or else starts a \
      temporary server for this command.

        telpher put report.pdf build:                  into my home on build
        telpher put -r src me@host:backup              a folder
        telpher put -r --on docker://web src /srv      the same into a container
        telpher put --resume disk.img build:images/    continues after Ctrl-C
        pg_dump shop | telpher put - build:shop.sql    standard input

      A folder becomes DESTINATION, or DESTINATION/NAME if DESTINATION exists. Without -r, every file is copied. With -r, a file is skipped if the server's file has the \
      same size and time; --checksum compares the contents instead, and --if-exists sets another \
      rule.

      \(exitStatusHelp)
      """)

  @OptionGroup var server: ServerOptions
  @OptionGroup var flags: TransferFlags

  @Argument(
    help: ArgumentHelp(
      "One or more paths on this machine, then the destination on the server.", valueName: "path"),
    completion: WordCompletion.path, transform: PathArgument.parse)
  var paths: [PathArgument] = []

  func validate() throws { try TransferRun.check(paths) }

  func run() async throws {
    try await TransferRun(direction: .put, paths: paths, server: server, flags: flags).run()
  }

  /// The exit statuses of `put` and `get`, for their help texts.
  static let exitStatusHelp = """
    The exit status is 0 if everything was stored; 1 if some entries failed (listed on standard \
    error); 125 if telpher or the connection failed; 128 + n if signal n stopped the transfer. \
    Partial files stay hidden; --resume continues with them.
    """
}
