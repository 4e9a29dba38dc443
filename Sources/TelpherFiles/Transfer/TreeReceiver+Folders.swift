internal import TelpherWire

extension TreeReceiver {
  /// Makes a folder where there is none; returns whether there was none.
  mutating func makeFolder(_ path: RelativePath, _ entry: FileEntry) throws(FileError) -> Bool {
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

  mutating func makeLink(_ path: RelativePath, _ entry: FileEntry) throws(FileError) {
    guard let target = entry.link else {
      throw FileError(.protocolError, "the link '\(path)' leads nowhere", path: "\(path)")
    }
    let folder = try parent(of: path).folder
    if let status = try folder.status(of: path.name) {
      if status.kind == .link, try folder.linkTarget(of: path.name) == target.bytes,
        status.modifiedNS == entry.mtimeNS
      {
        return
      }
      guard status.kind != .folder else {
        throw FileError(.exists, "cannot make the link '\(path)': it is a folder", path: "\(path)")
      }
      switch options.ifExists {
      case .replace: break
      case .skip: return
      case .fail: throw FileError(.exists, "'\(path)' exists already", path: "\(path)")
      }
    }
    try folder.makeLink(
      path.name, target: target.bytes, modifiedNS: entry.mtimeNS,
      replacing: options.ifExists == .replace)
  }
}
