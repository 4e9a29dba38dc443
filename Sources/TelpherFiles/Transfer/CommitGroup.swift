internal import Glibc

/// Files that are whole and verified, and wait to get their names together: one syncfs(2) makes all
/// of them durable, instead of an fsync(2) for each. What is to be set on folders waits behind them,
/// since a name that is given changes its folder's time.
struct CommitGroup {
  /// Files in a group, at most. Each holds a descriptor, with which its partial is locked, and perhaps
  /// its folder.
  static let mostFiles = 64
  /// The part of the process's descriptors that a group may hold: other transfers and connections need
  /// some as well.
  private static let partOfDescriptors = 16
  /// Bytes in a group: what is lost at most when the machine stops.
  private static let maxBytes: Int64 = 256 << 20

  /// What became of a step: the number of its entry, and what failed, if anything.
  typealias Result = (number: Int, error: FileError?)

  private enum Step {
    case commit(Int, Partial)
    case leave(Int, TreeReceiver.FolderAttributes)
  }

  private let base: Folder
  private let syncs: Bool
  private let replaces: Bool
  private let maxFiles: Int
  private var steps: [Step] = []
  private var files = 0
  private var bytes: Int64 = 0
  /// One folder of each file system that was written to.
  private var folders: [UInt64: Folder] = [:]
  private var lastFolder: Folder?
  /// A file that has its name, still open: by it the names are made durable in the end, though there may
  /// be no descriptor left then.
  private var witness: Partial?

  /// A group of files that are below `base`.
  init(base: Folder, syncs: Bool, replaces: Bool) {
    self.base = base
    self.syncs = syncs
    self.replaces = replaces
    maxFiles = max(1, min(Self.mostFiles, DescriptorLimit.current / Self.partOfDescriptors))
  }

  /// Whether it is time to commit.
  var isFull: Bool { files >= maxFiles || bytes >= Self.maxBytes }
  /// Whether it holds descriptors of files.
  var holdsFiles: Bool { files > 0 }

  /// A file that is whole: the entry `number`, in `folder`.
  mutating func add(_ number: Int, _ partial: Partial, in folder: Folder) {
    steps.append(.commit(number, partial))
    files += 1
    bytes += partial.position
    if folder !== lastFolder {
      lastFolder = folder
      // A folder whose file system is not known is taken for one of its own.
      folders[folder.device ?? UInt64(folders.count)] = folder
    }
  }

  /// A folder that nothing more comes to: the entry `number`. The result is nil if the folder has to
  /// wait for files.
  mutating func leave(_ number: Int, _ attributes: TreeReceiver.FolderAttributes) -> Result? {
    guard files == 0 else {
      steps.append(.leave(number, attributes))
      return nil
    }
    return (number, set(attributes))
  }

  /// Makes everything durable and gives it its name.
  ///
  /// - Returns: what became of each step. If files cannot be made durable, none of the group has its
  ///   name, and each has failed with that error.
  mutating func commit() -> [Result] {
    let done = steps
    (steps, files, bytes) = ([], 0, 0)
    var syncError: FileError?
    do throws(FileError) { try sync(done) } catch { syncError = error }
    var results: [Result] = []
    for step in done { results.append(finish(step, syncError)) }
    return results
  }

  private mutating func finish(_ step: Step, _ syncError: FileError?) -> Result {
    switch step {
    case .leave(let number, let attributes): return (number, set(attributes))
    case .commit(let number, let partial):
      do throws(FileError) {
        if let syncError { throw syncError.about(partial.path) }
        let isWitness = syncs && witness == nil
        try partial.commit(replacing: replaces, keepingDescriptor: isWitness)
        if isWitness { witness = partial }
        return (number, nil)
      } catch {
        partial.discard()
        return (number, error)
      }
    }
  }

  /// Writes the steps' files to the storage: syncfs(2), by a descriptor that is open already if all are on
  /// one file system.
  private func sync(_ steps: [Step]) throws(FileError) {
    guard syncs else { return }
    guard folders.count == 1 else { return try syncFolders() }
    for case .commit(_, let partial) in steps.prefix(1) { try partial.syncFileSystem() }
  }

  /// Makes the names durable as well; after the last commit.
  ///
  /// - Throws: `FileError`.
  func syncNames() throws(FileError) {
    guard syncs else { return }
    guard folders.count == 1, let witness else { return try syncFolders() }
    try witness.syncFileSystem()
  }

  private func syncFolders() throws(FileError) {
    for folder in folders.values { try folder.syncFileSystem() }
  }

  private func set(_ attributes: TreeReceiver.FolderAttributes) -> FileError? {
    guard attributes.mode != nil || attributes.modifiedNS != nil, attributes.path != base.path
    else { return nil }
    do throws(FileError) {
      try base.parent(of: attributes.path).setAttributes(
        of: attributes.path.name, mode: attributes.mode.map { $0 & FileMode.keptOfFolders },
        modifiedNS: attributes.modifiedNS)
      return nil
    } catch {
      return error
    }
  }
}

extension FileError {
  /// The same failure of a file that it befell together with others.
  fileprivate func about(_ path: RelativePath) -> FileError {
    FileError(code, "cannot write '\(path)': \(message)", errno: errno, path: "\(path)")
  }
}

extension Folder {
  /// The file system that it is on; nil where that can't be told.
  fileprivate var device: UInt64? {
    var status = stat()
    return fstat(descriptor.number, &status) == 0 ? UInt64(status.st_dev) : nil
  }
}
