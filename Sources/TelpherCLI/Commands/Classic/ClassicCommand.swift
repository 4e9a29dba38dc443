internal import ArgumentParser

/// `telpher classic`
struct ClassicCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "classic",
    abstract: "Serves and uses the protocols of the Python socket tutorials.",
    discussion: """
      The protocols are called dialects: upper, raw, size, length, header, upload, time, chat and \
      reply. They have no authentication, so they are served on this machine only. \
      docs/FROM-THE-TUTORIALS.md shows how to change from them to 'telpher serve' and 'telpher run'.
      """,
    subcommands: [
      ClassicServeCommand.self, ClassicRunCommand.self, ClassicUploadCommand.self,
      ClassicTimeCommand.self,
      ClassicChatCommand.self,
    ])
}
