internal import ArgumentParser
internal import TelpherClient

/// The options that `put` and `get` share.
struct TransferFlags: ParsableArguments {
  @Flag(
    name: [.customShort("r"), .long],
    help: "Copies folders with everything in them. Without it, a folder is an error.")
  var recursive = false

  @Flag(help: "Continues an interrupted transfer and sends only what is missing.")
  var resume = false

  @Option(
    help: ArgumentHelp(
      "The checksum that verifies each file: \(Choice<DigestAlgorithm>.names).",
      discussion: "Default: xxh128.", valueName: "name"),
    completion: .list(DigestAlgorithm.allCases.map(\.rawValue)),
    transform: Choice<DigestAlgorithm>.parse)
  var digest: DigestAlgorithm?

  @Flag(help: "Skips a file if the destination has the same content, found by checksum.")
  var checksum = false

  @Flag(help: "Creates missing parent folders of DESTINATION.")
  var parents = false

  @Option(
    help: ArgumentHelp(
      "What to do if the destination file exists: \(Choice<FileRequest.IfExists>.names).",
      discussion: """
        newer replaces it if the source has a later time; changed replaces it if size or time \
        differ (with --checksum: if the content differs). Otherwise the file is skipped and \
        counted in the summary. Default: replace; with -r: changed. The old file stays until the \
        new one is complete.
        """,
      valueName: "what"),
    completion: .list(FileRequest.IfExists.allCases.map(\.rawValue)),
    transform: Choice<FileRequest.IfExists>.parse)
  var ifExists: FileRequest.IfExists?

  @Flag(
    help: "Does not wait until the data is on the disk: faster, but a power cut may lose files.")
  var noSync = false

  @Flag(help: "Prints no progress and no summary, only failures.")
  var quiet = false

  @Flag(help: "Prints progress and each file as JSON objects, one a line; the last is the result.")
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

/// An option's value that is one of a few words.
enum Choice<Value: RawRepresentable<String> & CaseIterable> {
  /// All the words, for help texts and messages.
  static var names: String { Value.allCases.map(\.rawValue).joined(separator: ", ") }

  /// Reads a word.
  ///
  /// - Throws: `ValidationError` that lists the words.
  static func parse(_ text: String) throws -> Value {
    guard let value = Value(rawValue: text) else {
      throw ValidationError("'\(text)' is not one of: \(names)")
    }
    return value
  }
}
