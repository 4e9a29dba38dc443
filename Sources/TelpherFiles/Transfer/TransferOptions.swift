public import TelpherWire

/// How files are transferred.
public struct TransferOptions: Sendable {
  /// The digest that verifies every file.
  public var digest = DigestAlgorithm.xxh128
  /// What happens to a file that is there already. Nil: it is replaced; in a transfer of trees only if
  /// its size or time is another one (`changed`).
  public var ifExists: FileRequest.IfExists?
  /// Whether missing folders on the way to the destination are made.
  public var makesParents = false
  /// Whether a file that goes directly into the destination's folder takes the place of the file that a
  /// symlink of its name leads to. Else, and farther below, it takes the place of the link.
  package var followsLinks = false
  /// Whether what an earlier transfer left is taken up.
  public var resume = false
  /// Whether files with equal digests are left as they are; with `ifExists` `changed`, the digest and
  /// not size and time tells.
  public var comparesDigests = false
  /// Whether the result waits until all is on the disk.
  public var sync = true

  /// The defaults.
  public init() {}

  /// These options with what `ifExists` means for named files, or for trees.
  package func resolved(recursively: Bool) -> TransferOptions {
    var options = self
    options.ifExists = ifExists ?? (recursively ? .changed : .replace)
    return options
  }

  /// What the receiving end does with a file that is there already.
  var existing: FileRequest.IfExists { ifExists ?? .replace }

  /// What a request asks for.
  init(_ request: FileRequest) {
    digest = request.digest.flatMap(DigestAlgorithm.init) ?? .xxh128
    ifExists = request.ifExists
    resume = request.resume ?? false
    comparesDigests = request.compareDigests ?? false
    sync = request.sync ?? true
    followsLinks = request.follow ?? false
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

extension FileRequest.IfExists {
  /// Whether anything that is there may be replaced.
  var mayReplace: Bool { self == .replace || self == .newer || self == .changed }
}

extension FileStatus {
  /// Makes sure that a file may take the place of this, which is at `path`.
  ///
  /// - Throws: `.exists` for a folder; `.notAFile` for a device, FIFO or socket.
  func checkReplaceable(_ path: RelativePath) throws(FileError) {
    switch kind {
    case .file, .link: return
    case .folder: throw FileError(.exists, "store", path, "it is a folder")
    case .other(let what):
      throw FileError(.notAFile, "store", path, "it is \(what), which is not replaced")
    }
  }
}
