internal import ArgumentParser
internal import TelpherClassic

/// `telpher classic upload`
struct ClassicUploadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "upload",
    abstract: "Sends files to a tutorial's upload server.",
    discussion: """
      With --dir the files of a folder are listed with numbers; pick one at the '>>: ' prompt, again \
      and again; 'quit' ends. Telpher's server tells at the end what it stored, and the status is \
      125 where a file was not; a tutorial's server tells nothing.

      Between two files it waits until the server has read the first one (for 0.3 s, if the server is \
      on another machine): some of the tutorials' servers read more than a file has.
      """)

  @Option(
    help: ArgumentHelp("The server: tcp:HOST:PORT or unix:PATH.", valueName: "address"),
    transform: ClassicAddressArgument.parse)
  var on: ClassicAddress

  @Option(
    help: ArgumentHelp("Picks files of this folder by number.", valueName: "dir"),
    completion: .directory)
  var dir: String?

  @Argument(help: ArgumentHelp("The files.", valueName: "file"), completion: .file())
  var files: [String] = []

  func validate() throws {
    guard (dir == nil) != files.isEmpty else {
      throw ValidationError("say either --dir DIR or one or more files")
    }
  }

  func run() async throws {
    do {
      let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: false)
      let upload = ClassicUpload(uploader: try await ClassicUploader.connect(to: on, on: loop))
      if let dir {
        try await upload.sendWhatIsPicked(from: dir)
      } else {
        try await upload.send(files)
      }
    } catch {
      throw Failure(error)
    }
  }
}
