internal import TelpherWire

extension TreeReceiver {
  /// Makes a folder unless it exists. Returns whether it was made.
  mutating func makeFolder(_ path: RelativePath) throws(FileError) -> Bool {
    if path == base.path { return false }
    let folder = try parent(of: path).folder
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
}
