internal import TelpherFileStore
internal import TelpherWire

extension TreeReceiver {
  /// Makes a folder unless it exists. Returns whether it was made.
  mutating func makeFolder(_ path: RelativePath) throws(FileError) -> Bool {
    if path == base.path { return false }
    let folder = try parent(of: path).folder
    if let record, try folder.status(of: path.name) == nil {
      try record([folder.absolutePath(of: path.name)])
    }
    do throws(FileError) {
      // The owner must be able to write into it until its final mode is set.
      try folder.makeFolder(path.name, mode: 0o700)
      return true
    } catch {
      guard error.code == .exists, try folder.status(of: path.name)?.kind == .folder else {
        throw error
      }
      return false
    }
  }

  /// Makes a link, unless an equal one exists or the options keep the existing entry.
  mutating func makeLink(_ path: RelativePath, _ entry: FileEntry) throws(FileError)
    -> TransferLedger.Outcome
  {
    guard let target = entry.link else {
      throw FileError(.protocolError, "the link '\(path)' has no target", path: "\(path)")
    }
    let folder = try parent(of: path).folder
    if let status = try folder.status(of: path.name) {
      if status.kind == .link, try folder.linkTarget(of: path.name) == target.bytes,
        status.modifiedNS == entry.mtimeNS
      {
        return .stored
      }
      switch status.kind {
      case .file, .link: break
      case .folder, .other:
        throw FileError(.exists, "make the link", path, "it is \(status.kind.description)")
      }
      switch options.existing {
      case .replace, .changed: break
      case .newer where status.modifiedNS < entry.mtimeNS ?? .max: break
      case .newer: return .skipped(.notNewer)
      case .skip: return .skipped(.exists)
      case .fail: throw FileError(.exists, "'\(path)' exists already", path: "\(path)")
      }
    }
    try record?([folder.absolutePath(of: path.name)])
    try folder.makeLink(
      path.name, target: target.bytes, modifiedNS: entry.mtimeNS,
      replacing: options.existing.mayReplace)
    return .stored
  }

  /// The sender has no more entries for a folder. Its attributes are set after its files are
  /// stored.
  mutating func leaveFolder(_ number: Int) throws(FileError) {
    guard let folder = folders.removeValue(forKey: number) else {
      throw FileError(.protocolError, "the sender left folder \(number) without entering it")
    }
    guard case .made(let attributes) = folder else { return }
    if attributes.isNew {
      newFolders.remove(attributes.path)
      self.folder = nil
    }
    if let result = group.leave(number, attributes) { settle([result]) }
  }

  /// Opens the parent folder of `path`. Also returns whether this transfer has made it.
  mutating func parent(of path: RelativePath) throws(FileError) -> (folder: Folder, isNew: Bool) {
    if let folder, path.isDirectly(in: folder.folder.path) { return folder }
    let parent = try base.parent(of: path)
    let isNew = newFolders.contains(parent.path)
    if !isNew, cleaned.count < Self.maxFolders, cleaned.insert(parent.path.hashValue).inserted {
      Partial.removeStale(in: parent, olderThan: Self.staleAfter)
    }
    folder = (parent, isNew)
    return (parent, isNew)
  }

  /// The folder and the name under which the file `path` is stored, and whether this transfer has
  /// made the folder. If `path` is a symlink and `options.followsLinks` applies, they are those of
  /// the file that the link leads to.
  mutating func spot(
    of path: RelativePath, isFirst: Bool = false
  ) throws(FileError) -> (folder: Folder, name: [UInt8], isNew: Bool) {
    if let linked = linkedFiles[path] { return (linked.folder, linked.name, false) }
    let (folder, isNew) = try parent(of: path)
    // A requested name arrives only once. Else a sender could send a link first and then a file that
    // is stored through it.
    guard isFirst, options.followsLinks, !isNew, path.isDirectly(in: base.path) else {
      return (folder, path.name, isNew)
    }
    guard try folder.status(of: path.name)?.kind == .link else { return (folder, path.name, false) }
    let linked = try folder.root.fileLinked(at: path)
    linkedFiles[path] = linked
    return (linked.folder, linked.name, false)
  }

  /// The age in seconds at which unlocked partial files are removed from the folders of a tree: one
  /// day, so that users have time to resume.
  static let staleAfter: Int64 = 24 * 3_600
}
