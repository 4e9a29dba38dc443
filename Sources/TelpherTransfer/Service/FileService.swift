internal import Glibc
public import TelpherFileStore
internal import TelpherTransport
package import TelpherWire

/// Records the absolute paths that a request is about to write. One call has at most
/// `CommitGroup.mostFiles` paths.
///
/// - Throws: `FileError` if they can't be recorded; the request does not write them then.
package typealias WriteRecorder = @Sendable (_ paths: [[UInt8]]) throws(FileError) -> Void

/// Performs the file requests of clients (docs/PROTOCOL.md, "Files").
public struct FileService: Sendable {
  /// The files that clients can reach.
  package let scope: FileScope

  /// A service for the files of `scope`.
  public init(_ scope: FileScope) { self.scope = scope }

  /// A service in which all paths start in `root`.
  public init(root: Root) { scope = FileScope(below: root) }

  /// Performs `request` for the client at the other end of `port`. Blocks, so call it on a worker's
  /// thread; several threads may call it at once, each with its own port.
  ///
  /// - Parameters:
  ///   - announced: the announced bytes of the client's connection, over all its streams.
  ///   - record: records each path of `put` and `put_tree` before it is written.
  /// - Returns: the result to send to the client; nil if the connection is lost.
  package func perform(
    _ request: FileRequest, on port: TransferPort, announced: AnnouncedBytes = AnnouncedBytes(),
    record: WriteRecorder? = nil
  ) -> CloseResult? {
    do throws(FileError) {
      return try attempt(request, port, announced, record)
    } catch {
      return error.code == .lost ? nil : CloseResult(error)
    }
  }

  private func attempt(
    _ request: FileRequest, _ port: TransferPort, _ announced: AnnouncedBytes,
    _ record: WriteRecorder?
  ) throws(FileError) -> CloseResult {
    if request.operation == .getTree { return try sendTree(request, port) }
    let place = try scope.place(request.path.bytes)
    switch request.operation {
    case .put:
      var receiver = FileReceiver(port: port, place: place, request: request, record: record)
      return try receiver.run()
    case .get:
      var sender = FileSender(port: port, place: place, request: request)
      return try sender.run()
    case .putTree: return try receiveTree(request, place, port, announced, record)
    case .getTree: preconditionFailure("it was performed above")
    case .list: return try list(request, place, port)
    case .rm where request.recursive == true: return try remove(place, port)
    case .stat, .mkdir, .rm, .mv:
      port.finish(.index)
      port.finish(.file)
      return try change(request, place)
    }
  }

  private func receiveTree(
    _ request: FileRequest, _ place: FilePlace, _ port: TransferPort, _ announced: AnnouncedBytes,
    _ record: WriteRecorder?
  ) throws(FileError) -> CloseResult {
    let (base, naming) = try destination(request, place)
    var receiver = try TreeReceiver(
      port: port, root: place.root, base: base, acceptsOnlyFiles: naming != nil, naming: naming,
      options: TransferOptions(request), announced: announced, record: record)
    try receiver.run()
    return result(.stored, receiver.counts, receiver.failures)
  }

  /// The folder that receives a tree, and the name of its only file if the request has one.
  private func destination(
    _ request: FileRequest, _ place: FilePlace
  ) throws(FileError) -> (folder: RelativePath, TreeReceiver.Naming?) {
    guard let name = request.name else { return (place.path, nil) }
    let sent = LocalPlace.lastPart(of: request.path.bytes)
    var isFolder = place.path.isRoot || place.mustBeFolder
    if !isFolder {
      do throws(FileError) {
        isFolder = try place.status(followsLink: true).0.kind == .folder
      } catch  where error.errno == ENOENT {
        // The file gets this name, or its parent is missing, which is reported then.
      }
    }
    return isFolder
      ? (place.path, TreeReceiver.Naming(sent: sent, stored: name.bytes))
      : (place.path.parent, TreeReceiver.Naming(sent: sent, stored: place.path.name))
  }

  private func sendTree(
    _ request: FileRequest, _ port: TransferPort
  ) throws(FileError) -> CloseResult {
    let ownName = try RequestedPath(request.path.bytes).path.name
    let first = FileRequest.Source(request.path, as: request.name ?? PathText(ownName))
    let others = request.sources ?? []
    var sources: [TreeSource] = []
    for source in [first] + others {
      do throws(FileError) {
        let place = try scope.place(source.path.bytes)
        sources.append(
          TreeSource(
            place: .root(place.root), path: place.path, name: source.name.bytes, status: nil,
            mayBeFolder: request.recursive == true, mustBeFolder: place.mustBeFolder))
      } catch {
        // A single source that is refused fails the request.
        if others.isEmpty { throw error }
        sources.append(TreeSource(unusable: source.path, as: source.name.bytes, error))
      }
    }
    var sender = TreeSender(port: port, sources: sources, options: TransferOptions(request))
    try sender.run()
    return result(.ok, sender.counts, sender.failures)
  }

  private func result(
    _ kind: CloseResult.Kind, _ counts: TreeCounts, _ failures: [TransferFailure]
  ) -> CloseResult {
    var result = CloseResult(counts.failed == 0 ? kind : .failed)
    result.tree = counts
    if let first = failures.first {
      result.message =
        counts.failed == 1
        ? first.message : "\(first.message) (and \(counts.failed - 1) more failures)"
      result.path = first.path
    }
    return result
  }

  // MARK: Small requests

  private func list(
    _ request: FileRequest, _ place: FilePlace, _ port: TransferPort
  ) throws(FileError) -> CloseResult {
    let (root, path) = (place.root, place.path)
    var output = RecordWriter(port: port)
    port.finish(.file)
    let isFolder = try place.status(followsLink: true).0.kind == .folder
    if isFolder && request.recursive == true {
      var walker = TreeWalker(root: root, start: path)
      while let step = walker.next() {
        switch step {
        case .entry(let found, let status, let link):
          output.write(.entry(FileEntry(found, status, link: link)))
        case .leave: break
        case .failed(_, let error): throw error
        }
        try port.waitForRoom()
      }
    } else if isFolder {
      let folder = try root.folder(path)
      for name in try folder.names() where !Partial.isPartial(name) {
        // Skip an entry that was removed since its name was read.
        guard let status = try folder.status(of: name) else { continue }
        let link = status.kind == .link ? try? folder.linkTarget(of: name) : nil
        output.write(.entry(FileEntry(try path.appending(name), status, link: link)))
        try port.waitForRoom()
      }
    } else {
      let (status, link) = try root.status(path, followsLink: false)
      output.write(.entry(FileEntry(path, status, link: link)))
    }
    output.flush()
    port.finish(.index)
    return CloseResult(.ok)
  }

  /// Removes as much of a tree as possible, and sends a record for each failure.
  private func remove(_ place: FilePlace, _ port: TransferPort) throws(FileError) -> CloseResult {
    port.finish(.file)
    var output = RecordWriter(port: port)
    var failures = FailureList()
    var counts = TreeCounts()
    try place.parent("remove").removeTree(place.path.name) { (error) throws(FileError) in
      counts.unsent += 1
      failures.add(error.path ?? "", error.message)
      output.write(.failure(-1, error.message, path: error.path.map { PathText($0) }))
      try port.waitForRoom()
    }
    output.flush()
    port.finish(.index)
    return result(.ok, counts, failures.kept)
  }

  private func change(_ request: FileRequest, _ place: FilePlace) throws(FileError) -> CloseResult {
    let (root, path) = (place.root, place.path)
    var result = CloseResult(.ok)
    switch request.operation {
    case .mkdir:
      let mode = request.mode ?? 0o755
      if request.parents == true {
        try root.makeFolder(path, mode: mode, withParents: true)
      } else {
        try place.parentOfFolder("make the folder").makeFolder(path.name, mode: mode)
      }
    case .rm: try place.parent("remove").removeOne(path.name)
    case .mv:
      guard let to = request.to else { preconditionFailure("the decoder refuses mv without 'to'") }
      try move(
        place, to: scope.place(to.bytes), replacing: request.ifExists ?? .replace == .replace)
    default:
      let (status, link) = try place.status(followsLink: request.follow == true)
      result.entry = FileEntry(path, status, link: link)
      if request.ancestors == true, status.kind == .folder {
        result.ancestors = try FolderLineage(of: root, path).names
      }
    }
    return result
  }

  private func move(
    _ place: FilePlace, to newPlace: FilePlace, replacing: Bool
  ) throws(FileError) {
    let folder = try place.parent("rename")
    let newFolder = try newPlace.parent("rename to")
    if newPlace.mustBeFolder,
      let status = try folder.status(of: place.path.name), status.kind != .folder
    {
      throw FileError(
        .notAFolder,
        "cannot rename '\(place.path)' to '\(newPlace.path)/': only a folder can have that name",
        errno: ENOTDIR, path: "\(place.path)")
    }
    try folder.rename(
      place.path.name, to: newFolder, newPlace.path.name, replacing: replacing)
  }
}

extension FileEntry {
  /// The entry for `path` with this status; `link` is the target of a symlink.
  init(_ path: RelativePath, _ status: FileStatus, link: [UInt8]?) {
    let kind: Kind =
      switch status.kind {
      case .file: .file
      case .folder: .directory
      case .link: .symlink
      case .other: .other
      }
    self.init(
      path: PathText(path.written), kind: kind, size: kind == .file ? status.size : nil,
      mode: kind == .symlink ? nil : status.mode, mtimeNS: status.modifiedNS,
      link: link.map(PathText.init))
  }
}
