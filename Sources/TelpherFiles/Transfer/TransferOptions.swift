public import TelpherWire

/// How files are transferred.
public struct TransferOptions: Sendable {
  /// The digest that verifies every file.
  public var digest = DigestAlgorithm.xxh128
  /// What happens to a destination that is there already.
  public var ifExists = FileRequest.IfExists.replace
  /// Whether what an earlier transfer left is taken up.
  public var resume = false
  /// Whether a file counts as unchanged by its digest, not by its size and time.
  public var comparesDigests = false
  /// Whether the result waits until all is on the disk.
  public var sync = true

  /// The defaults.
  public init() {}

  /// What a request asks for.
  init(_ request: FileRequest) {
    digest = request.digest.flatMap(DigestAlgorithm.init) ?? .xxh128
    ifExists = request.ifExists ?? .replace
    resume = request.resume ?? false
    comparesDigests = request.compareDigests ?? false
    sync = request.sync ?? true
  }
}

/// An entry that could not be sent or stored.
public struct TransferFailure: Sendable, Equatable {
  /// The path, for a person.
  public var path: String
  /// What was wrong, with the path.
  public var message: String

  /// A failure.
  public init(path: String, message: String) {
    self.path = path
    self.message = message
  }
}
