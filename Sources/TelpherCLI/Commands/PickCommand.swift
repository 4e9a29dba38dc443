internal import ArgumentParser
internal import TelpherClient

/// `telpher pick`
struct PickCommand: AsyncParsableCommand, TakesByteArguments {
  static let configuration = CommandConfiguration(
    commandName: "pick",
    abstract: "Shows a numbered list of files and copies those you choose.",
    usage: "telpher pick [--on ADDRESS] [put|get] [HOST:]DIRECTORY",
    discussion: """
      get, the default, lists a folder on the server and copies files into the working directory. \
      put lists a folder on this machine and copies files into the home folder of the server's \
      user, or into the server's --root. Type a number to copy that file, an empty line to see the \
      list again, and q or Ctrl-D to end. The exit status is 1 if a file could not be copied.

        telpher pick get build:reports
        telpher pick put .
      """)

  @OptionGroup var server: ServerOptions

  @Argument(
    help: ArgumentHelp(
      "put or get (the default), then the folder to list.", valueName: "put|get directory"),
    completion: WordCompletion.path, transform: PathArgument.parse)
  var words: [PathArgument]

  func validate() throws {
    if words.count == 1, Self.directions[words[0].path] != nil {
      throw ValidationError("Missing the folder to list after '\(words[0].path)'")
    }
    guard words.count <= 2 else { throw ValidationError("Name only one folder to list") }
    if words.count == 2, Self.directions[words[0].path] == nil {
      throw ValidationError("'\(words[0].path)' is neither put nor get")
    }
  }

  private static let directions = [
    PathText("put"): FileTransfer.Direction.put, PathText("get"): .get,
  ]

  func run() async throws {
    let direction = words.count == 2 ? Self.directions[words[0].path] ?? .get : .get
    let folder = words[words.count - 1]
    if direction == .put { try folder.requireLocal() }
    var status: Int32 = 0
    try await FileReach(server: server).perform(for: [folder]) { connection, folder in
      let dialogue = PickDialogue(direction: direction, folder: folder, connection: connection)
      status = try await dialogue.run()
    }
    if status != 0 { throw ExitCode(status) }
  }
}
