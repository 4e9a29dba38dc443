internal import ArgumentParser
internal import TelpherAccess

/// `telpher token`
struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token",
    abstract: "Shows where the token for TCP is, or replaces it.",
    discussion: """
      A server on TCP and its clients prove to each other that they know the token, a file that only \
      their user can read. The token itself is never sent.
      """,
    subcommands: [TokenPathCommand.self, TokenRotateCommand.self])
}

/// Which token file.
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
    commandName: "path", abstract: "Prints the path of the token's file.")

  @OptionGroup var options: TokenOptions

  func run() async throws {
    try Descriptor.output.print("\(options.file.file.path)\n")
  }
}

/// `telpher token rotate`
struct TokenRotateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rotate",
    abstract: "Puts a fresh token in the place of the old one.",
    discussion: """
      A server that runs wants the new token of each new connection. Connections that are open go on: \
      restart the server to end them.
      """)

  @OptionGroup var options: TokenOptions

  func run() async throws {
    do throws(SecretFile.Failure) { try options.file.rotate() } catch {
      throw Failure(error.description)
    }
  }
}
