internal import ArgumentParser

/// `telpher classic`
struct ClassicCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "classic",
    abstract: "Speaks the protocols of the Python socket tutorials, to both sides.",
    discussion: """
      The dialects: upper, raw, size, length, header, upload, time, chat, reply. They know no \
      authentication and are served on this machine only. docs/FROM-THE-TUTORIALS.md leads from \
      them to 'telpher serve' and 'telpher run'.
      """,
    subcommands: [
      ClassicServeCommand.self, ClassicRunCommand.self, ClassicUploadCommand.self,
      ClassicTimeCommand.self,
      ClassicChatCommand.self,
    ])
}
