public import TelpherFileStore
public import TelpherWire

/// Options of a file transfer.
public struct TransferOptions: Sendable {
  /// The digest that verifies each file.
  public var digest = DigestAlgorithm.xxh128
  /// What to do with an existing file. If nil, it is replaced; in a recursive transfer only if its
  /// size or modification time differs (`changed`).
  public var ifExists: FileRequest.IfExists?
  /// Whether to make missing parent folders of the destination.
  public var makesParents = false
  /// Whether a file that goes directly into the destination's folder follows a symlink of its name
  /// and replaces the file that the link leads to. Else, and deeper in a tree, it replaces the
  /// link.
  package var followsLinks = false
  /// Whether the sender of a tree sends files before the receiver has asked for them.
  package var sendsUnasked = false
  /// Whether to resume from the partial file of an earlier transfer.
  public var resume = false
  /// Whether to skip files with equal digests. If `ifExists` is `changed`, the digest is then
  /// compared instead of the modification time.
  public var comparesDigests = false
  /// Whether to report success only after all data is on the disk.
  public var sync = true

  /// Creates the default options.
  public init() {}

  /// Returns these options with a nil `ifExists` replaced by its meaning for named files or trees.
  package func resolved(recursively: Bool) -> TransferOptions {
    var options = self
    options.ifExists = ifExists ?? (recursively ? .changed : .replace)
    return options
  }

  /// These options for a tree of which nothing exists at its destination: whatever would replace only
  /// changed files replaces all, so that the receiver need not be asked.
  package var forNewTree: TransferOptions {
    var options = self
    if existing == .changed, !comparesDigests { options.ifExists = .replace }
    return options
  }

  /// Whether the receiver wants every file from its beginning, so that it need not be asked. If it
  /// fails to store one, the bytes that were sent meanwhile are wasted.
  package var wantsEverything: Bool { existing == .replace && !resume && !comparesDigests }

  /// What the receiver does with an existing file.
  var existing: FileRequest.IfExists { ifExists ?? .replace }

  /// The options of a request.
  init(_ request: FileRequest) {
    digest = request.digest.flatMap(DigestAlgorithm.init) ?? .xxh128
    ifExists = request.ifExists
    resume = request.resume ?? false
    comparesDigests = request.compareDigests ?? false
    sync = request.sync ?? true
    followsLinks = request.follow ?? false
    sendsUnasked = request.unasked ?? false
  }
}

/// An entry that could not be sent or stored.
public struct TransferFailure: Sendable, Equatable {
  /// The path, as displayed to the user.
  public var path: String
  /// The reason, including the path.
  public var message: String

  /// Creates a failure.
  public init(path: String, message: String) {
    self.path = path
    self.message = message
  }
}

extension FileRequest.IfExists {
  /// Whether an existing file may be replaced.
  var mayReplace: Bool { self == .replace || self == .newer || self == .changed }
}

extension FileStatus {
  /// Checks that a file may replace the entry with this status at `path`.
  ///
  /// - Throws: `.exists` for a folder; `.notAFile` for a device, FIFO or socket.
  func checkReplaceable(_ path: RelativePath) throws(FileError) {
    switch kind {
    case .file, .link: return
    case .folder: throw FileError(.exists, "store", path, "it is a folder")
    case .other(let what):
      throw FileError(.notAFile, "store", path, "it is \(what), and only files are replaced")
    }
  }
}
