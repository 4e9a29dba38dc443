internal import TelpherTransport
public import TelpherWire

/// Does what clients ask of the files below one root (docs/PROTOCOL.md, "Files"). On a worker's
/// thread, several at once.
public struct FileService: Sendable {
  /// The folder that nothing gets out of.
  public let root: Root

  /// A service for the files below `root`.
  public init(root: Root) { self.root = root }

  /// Does what `request` asks, with the client at the other end of `port`.
  ///
  /// - Parameter announced: what the client has announced over all streams of its connection.
  /// - Returns: what to tell the client; nil where nobody is there to be told.
  public func perform(
    _ request: FileRequest, on port: TransferPort, announced: AnnouncedBytes = AnnouncedBytes()
  ) -> CloseResult? {
    do throws(FileError) {
      return try attempt(request, port, announced)
    } catch {
      return error.code == .lost ? nil : CloseResult(error)
    }
  }

  private func attempt(
    _ request: FileRequest, _ port: TransferPort, _ announced: AnnouncedBytes
  ) throws(FileError) -> CloseResult {
    switch request.operation {
    case .put:
      var receiver = FileReceiver(port: port, root: root, request: request)
      return try receiver.run()
    case .get:
      var sender = FileSender(port: port, root: root, request: request)
      return try sender.run()
    case .putTree: return try receiveTree(request, port, announced)
    case .getTree: return try sendTree(request, port)
    case .list: return try list(request, port)
    case .stat, .mkdir, .rm, .mv:
      port.finish(.index)
      port.finish(.file)
      return try change(request)
    }
  }

  private func receiveTree(
    _ request: FileRequest, _ port: TransferPort, _ announced: AnnouncedBytes
  ) throws(FileError) -> CloseResult {
    var receiver = try TreeReceiver(
      port: port, root: root, base: try RelativePath(request.path.bytes),
      options: TransferOptions(request), announced: announced)
    try receiver.run()
    return result(.stored, receiver.counts, receiver.failures)
  }

  private func sendTree(_ request: FileRequest, _ port: TransferPort) throws(FileError)
    -> CloseResult
  {
    let source = try RelativePath(request.path.bytes)
    if request.recursive != true, try root.status(source, followsLink: true).0.kind == .folder {
      throw FileError(.notAFile, "'\(source)' is a folder, which needs -r", path: "\(source)")
    }
    var sender = TreeSender(
      port: port, root: root, source: source, name: request.name?.bytes ?? source.name,
      options: TransferOptions(request))
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

  private func list(_ request: FileRequest, _ port: TransferPort) throws(FileError) -> CloseResult {
    let path = try RelativePath(request.path.bytes)
    var output = RecordWriter(port: port)
    port.finish(.file)
    let isFolder = try root.status(path, followsLink: true).0.kind == .folder
    if isFolder && request.recursive == true {
      var walker = TreeWalker(root: root, start: path)
      while let step = walker.next() {
        switch step {
        case .entry(let found, let status, let link):
          output.write(TreeRecord(entry: FileEntry(found, status, link: link)))
        case .leave: break
        case .failed(_, let error): throw error
        }
        try port.waitForRoom()
      }
    } else if isFolder {
      let folder = try root.folder(path)
      for name in try folder.names() where !Partial.isPartial(name) {
        // One that is gone meanwhile is not there.
        guard let status = try folder.status(of: name) else { continue }
        let link = status.kind == .link ? try? folder.linkTarget(of: name) : nil
        output.write(TreeRecord(entry: FileEntry(try path.appending(name), status, link: link)))
        try port.waitForRoom()
      }
    } else {
      let (status, link) = try root.status(path, followsLink: false)
      output.write(TreeRecord(entry: FileEntry(path, status, link: link)))
    }
    output.flush()
    port.finish(.index)
    return CloseResult(.ok)
  }

  private func change(_ request: FileRequest) throws(FileError) -> CloseResult {
    let path = try RelativePath(request.path.bytes)
    var result = CloseResult(.ok)
    switch request.operation {
    case .mkdir:
      try root.makeFolder(path, mode: request.mode ?? 0o755, withParents: request.parents == true)
    case .rm: try root.remove(path, recursively: request.recursive == true)
    case .mv:
      guard let to = request.to else { preconditionFailure("the wire refuses an mv without it") }
      try root.move(
        path, to: try RelativePath(to.bytes), replacing: request.ifExists ?? .replace == .replace)
    default:
      let (status, link) = try root.status(path, followsLink: request.follow == true)
      result.entry = FileEntry(path, status, link: link)
    }
    return result
  }
}

extension FileEntry {
  /// An entry of what was found at `path`.
  init(_ path: RelativePath, _ status: FileStatus, link: [UInt8]?) {
    let kind: Kind =
      switch status.kind {
      case .file: .file
      case .folder: .directory
      case .link: .symlink
      case .other: .other
      }
    self.init(
      path: PathText(path.bytes), kind: kind, size: kind == .file ? status.size : nil,
      mode: kind == .symlink ? nil : status.mode, mtimeNS: status.modifiedNS,
      link: link.map(PathText.init))
  }
}
