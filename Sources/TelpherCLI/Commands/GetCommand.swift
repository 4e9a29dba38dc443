internal import ArgumentParser

/// `telpher get`
struct GetCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "get",
    abstract: "Fetches files from a server, verified and whole or not at all.",
    usage: "telpher get [OPTIONS] SOURCE ... DESTINATION",
    discussion: """
      Each SOURCE is a path on the server. As with scp, a relative one and ~ start in the home of the \
      server's user, and an absolute one in /; of a server with 'telpher serve --root' all start in \
      that root. If DESTINATION is a folder, what comes goes into it under its own name.

        telpher get --on ssh://me@host report.pdf .      from my home there
        telpher get --on ssh://me@host /var/log/syslog . an absolute path
        telpher get -r --on ssh://me@host site /srv      a folder; as /srv/site if /srv is there
        telpher get -r --checksum site /srv              only files that hold something else
        telpher get log.txt - | tail                     to standard output, as its bytes come

      \(PutCommand.exitStatusHelp)
      """)

  @OptionGroup var server: ServerOptions
  @OptionGroup var flags: TransferFlags

  @Argument(
    help: ArgumentHelp("Files there, and behind them the destination here.", valueName: "path"),
    completion: .file(), transform: PathArgument.parse)
  var paths: [PathArgument] = []

  func validate() throws {
    try TransferRun.check(paths)
    guard paths.last?.path == FileTransfer.stream else { return }
    guard paths.count == 2, !flags.recursive else {
      throw ValidationError("Only one file goes to standard output")
    }
    guard !flags.json else {
      throw ValidationError("Standard output is for the file or for JSON records, not for both")
    }
  }

  func run() async throws {
    try await TransferRun(direction: .get, paths: paths, server: server, flags: flags).run()
  }
}
