internal import TelpherClassic

/// Uploads files, and prints the results on standard output.
struct ClassicUpload {
  let uploader: ClassicUploader

  /// Sends `files`, then prints the server's report.
  ///
  /// - Throws: `ClassicError`; `Failure`, also if the server did not store a file.
  func send(_ files: [String]) async throws {
    for file in files { try await send(file) }
    try await finish()
  }

  /// Lists the files of `folder` and sends those that the user picks by number, until `quit` or the
  /// end of standard input.
  ///
  /// - Throws: `ClassicError`; `Failure`, also if the server did not store a file.
  func sendPickedFiles(from folder: String) async throws {
    let prompt = Prompt()
    var entries = try await list(folder)
    while let line = try await prompt.next() {
      guard let number = Int(line), entries.indices.contains(number - 1) else {
        Descriptor.complain("there is no file \(line) in the list")
        continue
      }
      try await send(folder + "/" + entries[number - 1].name)
      entries = try await list(folder)
    }
    try await finish()
  }

  private func list(_ folder: String) async throws -> [ClassicFolder.Entry] {
    let entries = try await ClassicFolder.files(in: folder)
    let lines = entries.enumerated().map { "\($0 + 1)  \($1.name)  \($1.size) bytes\n" }
    try Descriptor.output.print(lines.joined())
    return entries
  }

  private func send(_ file: String) async throws {
    let size = try await uploader.send(file)
    try Descriptor.output.print("sent \(file), \(size) bytes\n")
  }

  private func finish() async throws {
    let report = try await uploader.finish()
    for line in report.lines { try Descriptor.output.print("\(line)\n") }
    if report.hasFailures { throw Failure("the server did not store all files") }
  }
}
