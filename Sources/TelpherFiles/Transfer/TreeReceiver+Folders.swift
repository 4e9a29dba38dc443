internal import TelpherWire

extension TreeReceiver {
  /// Makes a folder if there is none; returns whether there was none.
  mutating func makeFolder(_ path: RelativePath) throws(FileError) -> Bool {
    if path == base.path { return false }
    let folder = try parent(of: path).folder
    do throws(FileError) {
      // Its owner writes into it, whatever its mode will be.
      try folder.makeFolder(path.name, mode: 0o700)
      return true
    } catch {
      guard error.code == .exists, try folder.status(of: path.name)?.kind == .folder else {
        throw error
      }
      return false
    }
  }

  /// Makes a link, or finds that nothing is to be done.
  mutating func makeLink(_ path: RelativePath, _ entry: FileEntry) throws(FileError)
    -> TransferLedger.Outcome
  {
    guard let target = entry.link else {
      throw FileError(.protocolError, "the link '\(path)' leads nowhere", path: "\(path)")
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

  /// The sender has no more entries for a folder: its attributes are set once its files are in place.
  mutating func leaveFolder(_ number: Int) throws(FileError) {
    guard let folder = folders.removeValue(forKey: number) else {
      throw FileError(.protocolError, "folder \(number) was left and not entered")
    }
    guard case .made(let attributes) = folder else { return }
    if attributes.isNew {
      newFolders.remove(attributes.path)
      self.folder = nil
    }
    if let result = group.leave(number, attributes) { settle([result]) }
  }
}
