internal import ArgumentParser
internal import TelpherAccess

/// `telpher token`
struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token",
    abstract: "Prints the path of the token file for TCP, or makes a new token.",
    discussion: """
      A server on TCP and its clients share a secret, the token. It is in a file that only the \
      file's owner can read; 'telpher serve --listen tcp:HOST:PORT' makes it at its first start. Both \
      sides prove that they know the token, without sending it.
      """,
    subcommands: [TokenPathCommand.self, TokenRotateCommand.self])
}

/// The option that names the token file.
struct TokenOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The file with the token.",
      discussion: "Default: $TELPHER_TOKEN_FILE, else ~/.config/telpher/token.",
      valueName: "file"),
    completion: .file())
  var tokenFile: String?

  /// The file.
  var file: TokenFile {
    TokenFile(ServerReach.tokenPath(tokenFile, Environment.current()))
  }
}

/// `telpher token path`
struct TokenPathCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "path", abstract: "Prints the path of the token file.")

  @OptionGroup var options: TokenOptions

  func run() async throws {
    try Descriptor.output.print("\(options.file.file.path)\n")
  }
}

/// `telpher token rotate`
struct TokenRotateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rotate",
    abstract: "Replaces the token with a new random one.",
    discussion: """
      A running server requires the new token from each new connection. Open connections continue; \
      to end them, restart the server. The command makes the file if it does not exist.
      """)

  @OptionGroup var options: TokenOptions

  func run() async throws {
    do throws(SecretFile.Failure) { try options.file.rotate() } catch {
      throw Failure(error.description)
    }
  }
}
