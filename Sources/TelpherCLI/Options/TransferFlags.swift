internal import ArgumentParser
internal import TelpherClient

/// How files are moved.
struct TransferFlags: ParsableArguments {
  @Flag(
    name: [.customShort("r"), .long],
    help: "Takes folders, with all that they hold; without it a folder is an error.")
  var recursive = false

  @Flag(help: "Takes up what an interrupted transfer left, and sends only what is missing.")
  var resume = false

  @Option(
    help: ArgumentHelp(
      "The digest that every file is verified by: \(Choice<DigestAlgorithm>.names).",
      discussion: "Default: xxh128.", valueName: "name"),
    completion: .list(DigestAlgorithm.allCases.map(\.rawValue)),
    transform: Choice<DigestAlgorithm>.parse)
  var digest: DigestAlgorithm?

  @Flag(help: "Skips files that hold the same there, by their digest, instead of by size and time.")
  var checksum = false

  @Flag(help: "Makes missing folders on the way to DESTINATION.")
  var parents = false

  @Option(
    help: ArgumentHelp(
      "What happens to a file that is there: \(Choice<FileRequest.IfExists>.names).",
      discussion: """
        newer replaces it if the new one's time is later; changed, if size or time is another one \
        (what it holds, with --checksum). What is not replaced is skipped, which the summary counts. \
        Default: replace; changed with -r. The old one stays until the new one is whole.
        """,
      valueName: "what"),
    completion: .list(FileRequest.IfExists.allCases.map(\.rawValue)),
    transform: Choice<FileRequest.IfExists>.parse)
  var ifExists: FileRequest.IfExists?

  @Flag(help: "Does not wait until all is on the disk.")
  var noSync = false

  @Flag(help: "Shows no progress and no summary; failures are reported.")
  var quiet = false

  @Flag(help: "Prints JSON records, one a line: of the progress, and last of the result.")
  var json = false

  /// The options for the client.
  var options: TransferOptions {
    var options = TransferOptions()
    options.digest = digest ?? options.digest
    options.comparesDigests = checksum
    options.makesParents = parents
    options.ifExists = ifExists
    options.resume = resume
    options.sync = !noSync
    return options
  }
}

/// One of a few words on the command line.
enum Choice<Value: RawRepresentable<String> & CaseIterable> {
  /// All of them.
  static var names: String { Value.allCases.map(\.rawValue).joined(separator: ", ") }

  /// Reads a word.
  ///
  /// - Throws: `ValidationError` that names those there are.
  static func parse(_ text: String) throws -> Value {
    guard let value = Value(rawValue: text) else {
      throw ValidationError("there is no '\(text)', only \(names)")
    }
    return value
  }
}
