internal import Glibc

/// Files that are whole and verified, and wait to get their names together: one syncfs(2) makes all
/// of them durable, instead of an fsync(2) for each. What is to be set on folders waits behind them,
/// since a name that is given changes its folder's time.
struct CommitGroup {
  /// Files in a group. Each holds a descriptor, with which its partial is locked.
  private static let maxFiles = 64
  /// Bytes in a group: what is lost at most when the machine stops.
  private static let maxBytes: Int64 = 256 << 20

  private enum Step {
    case commit(Partial, RelativePath)
    case leave(TreeReceiver.FolderAttributes)
  }

  private let base: Folder
  private let syncs: Bool
  private let replaces: Bool
  private var steps: [Step] = []
  private var files = 0
  private var bytes: Int64 = 0
  /// One folder of each file system that was written to.
  private var folders: [UInt64: Folder] = [:]
  private var lastFolder: Folder?

  /// A group of files that are below `base`.
  init(base: Folder, syncs: Bool, replaces: Bool) {
    self.base = base
    self.syncs = syncs
    self.replaces = replaces
  }

  /// Whether it is time to commit.
  var isFull: Bool { files >= Self.maxFiles || bytes >= Self.maxBytes }

  /// A file that is whole.
  mutating func add(_ partial: Partial, _ path: RelativePath, _ folder: Folder) {
    steps.append(.commit(partial, path))
    files += 1
    bytes += partial.position
    if folder !== lastFolder {
      lastFolder = folder
      // Where it can't be told, it is taken for one of its own.
      folders[folder.device ?? UInt64(folders.count)] = folder
    }
  }

  /// A folder that nothing more comes to; what could not be done is told where it was done at once.
  mutating func leave(_ attributes: TreeReceiver.FolderAttributes) -> [(RelativePath, FileError?)] {
    guard files == 0 else {
      steps.append(.leave(attributes))
      return []
    }
    return set(attributes).map { [$0] } ?? []
  }

  /// Makes everything durable and gives it its name.
  ///
  /// - Returns: the files that are in their place now, and what could not be done.
  /// - Throws: `FileError` where the files can't be made durable: none has its name then.
  mutating func commit() throws(FileError) -> [(RelativePath, FileError?)] {
    let done = steps
    (steps, files, bytes) = ([], 0, 0)
    do throws(FileError) {
      if syncs && !done.isEmpty { for folder in folders.values { try folder.syncFileSystem() } }
    } catch {
      for case .commit(let partial, _) in done { partial.discard() }
      throw error
    }
    var results: [(RelativePath, FileError?)] = []
    for step in done {
      switch step {
      case .commit(let partial, let path):
        do throws(FileError) {
          try partial.commit(replacing: replaces)
          results.append((path, nil))
        } catch {
          partial.discard()
          results.append((path, error))
        }
      case .leave(let attributes):
        if let failure = set(attributes) { results.append(failure) }
      }
    }
    return results
  }

  /// Makes the names durable as well; behind the last commit.
  ///
  /// - Throws: `FileError`.
  func syncNames() throws(FileError) {
    if syncs { for folder in folders.values { try folder.syncFileSystem() } }
  }

  private func set(_ attributes: TreeReceiver.FolderAttributes) -> (RelativePath, FileError?)? {
    guard attributes.mode != nil || attributes.modifiedNS != nil, attributes.path != base.path
    else { return nil }
    do throws(FileError) {
      try base.parent(of: attributes.path).setAttributes(
        of: attributes.path.name, mode: attributes.mode.map { $0 & FileMode.keptOfFolders },
        modifiedNS: attributes.modifiedNS)
      return nil
    } catch {
      return (attributes.path, error)
    }
  }
}

extension Folder {
  /// The file system that it is on; nil where that can't be told.
  fileprivate var device: UInt64? {
    var status = stat()
    return fstat(descriptor.number, &status) == 0 ? UInt64(status.st_dev) : nil
  }
}
