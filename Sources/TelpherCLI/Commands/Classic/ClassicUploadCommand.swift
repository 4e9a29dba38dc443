internal import ArgumentParser
internal import TelpherClassic

/// `telpher classic upload`
struct ClassicUploadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "upload",
    abstract: "Sends files to a tutorial's upload server.",
    discussion: """
      With --dir, the files of a folder are listed with numbers. Pick one at a time at the '>>: ' \
      prompt; 'quit' ends. At the end, Telpher's server reports which files it stored; the status is \
      125 if it did not store all of them. A tutorial's server reports nothing.

      Between two files the client waits until the server has read the first: some of the tutorials' \
      servers read past the end of a file. If the server is on another machine, it waits 0.3 s.
      """)

  @Option(
    help: ArgumentHelp("The server: tcp:HOST:PORT or unix:PATH.", valueName: "address"),
    transform: ClassicAddressArgument.parse)
  var on: ClassicAddress

  @Option(
    help: ArgumentHelp("Lists the files of this folder, to pick them by number.", valueName: "dir"),
    completion: .directory)
  var dir: String?

  @Argument(help: ArgumentHelp("A file to send.", valueName: "file"), completion: .file())
  var files: [String] = []

  func validate() throws {
    guard (dir == nil) != files.isEmpty else {
      throw ValidationError("use either --dir DIR or one or more files")
    }
  }

  func run() async throws {
    do {
      let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: false)
      let upload = ClassicUpload(uploader: try await ClassicUploader.connect(to: on, on: loop))
      if let dir {
        try await upload.sendPickedFiles(from: dir)
      } else {
        try await upload.send(files)
      }
    } catch {
      throw Failure(error)
    }
  }
}
