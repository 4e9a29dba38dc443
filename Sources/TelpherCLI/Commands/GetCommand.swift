internal import ArgumentParser

/// `telpher get`
struct GetCommand: AsyncParsableCommand, TakesManyPaths {
  static let configuration = CommandConfiguration(
    commandName: "get",
    abstract: "Copies files from a server to this machine and verifies each with a checksum.",
    usage: "telpher get [OPTIONS] [HOST:]SOURCE ... DESTINATION",
    discussion: """
      Each SOURCE is a path on the server: HOST:PATH as with scp, where HOST is as for 'telpher \
      on' and the same for all, or a path on the server of --on. As with scp, relative paths and ~ start in the home \
      folder of the server's user, and absolute paths start at /. If the server runs with --root, \
      all paths start in that root. If DESTINATION is an existing folder, the files go into it and \
      keep their names. A file appears under its name only when it is complete and verified.

        telpher get build:report.pdf .               from my home on build
        telpher get me@host:/var/log/syslog .        an absolute path
        telpher get -r build:site /srv               a folder; see 'put --help'
        telpher get -r --checksum build:site /srv    only what differs
        telpher get build:log.txt - | tail           to standard output

      \(PutCommand.exitStatusHelp)
      """)

  @OptionGroup var server: ServerOptions
  @OptionGroup var flags: TransferFlags

  @Argument(
    help: ArgumentHelp(
      "One or more paths on the server, then the destination on this machine.", valueName: "path"),
    completion: WordCompletion.path, transform: PathArgument.parse)
  var paths: [PathArgument] = []

  func validate() throws {
    try TransferRun.check(paths)
    guard paths.last?.path == FileTransfer.stream else { return }
    guard paths.count == 2, !flags.recursive else {
      throw ValidationError("Only one file can be written to standard output (-), without -r")
    }
    guard !flags.json else {
      throw ValidationError("--json cannot be used if the file itself goes to standard output (-)")
    }
  }

  func run() async throws {
    try await TransferRun(direction: .get, paths: paths, server: server, flags: flags).run()
  }
}
