internal import TelpherFileStore

/// A group of complete, verified files that are renamed to their destinations together. One
/// syncfs(2) makes all of them durable, instead of one fsync(2) per file. The attributes of a
/// folder are set after the files in it, since a rename changes the folder's time.
struct CommitGroup {
  /// The maximum number of files in a group. Each holds the descriptor that locks its partial, and
  /// perhaps that of its folder.
  static let mostFiles = 64
  /// A group may hold 1/16 of the process's descriptors. Other transfers and connections need some.
  private static let partOfDescriptors = 16
  /// The maximum number of bytes in a group: the most that is lost if the machine crashes.
  private static let maxBytes: Int64 = 256 << 20

  /// The result of a step: the number of its entry, and the error if it failed.
  typealias Result = (number: Int, error: FileError?)

  private enum Step {
    case commit(Int, Partial)
    case leave(Int, TreeReceiver.FolderAttributes)
  }

  private let base: Folder
  private let syncs: Bool
  private let replaces: Bool
  private let record: WriteRecorder?
  private let maxFiles: Int
  private var steps: [Step] = []
  private var files = 0
  private var bytes: Int64 = 0
  /// One folder on each file system that was written to, by device number.
  private var folders: [UInt64: Folder] = [:]
  private var lastFolder: Folder?
  /// A committed file that stays open for the final syncfs(2), so that this needs no new
  /// descriptor.
  private var witness: Partial?

  /// Creates an empty group for files below `base`. With `syncs`, the files are made durable.
  ///
  /// - Parameter record: records the paths of the files before they get them.
  init(base: Folder, syncs: Bool, replaces: Bool, record: WriteRecorder? = nil) {
    self.base = base
    self.record = record
    self.syncs = syncs
    self.replaces = replaces
    maxFiles = max(1, min(Self.mostFiles, DescriptorLimit.current / Self.partOfDescriptors))
  }

  /// Whether the group should be committed.
  var isFull: Bool { files >= maxFiles || bytes >= Self.maxBytes }
  /// Whether it holds files, and therefore descriptors.
  var holdsFiles: Bool { files > 0 }

  /// Adds a complete file in `folder` for the entry `number`.
  mutating func add(_ number: Int, _ partial: Partial, in folder: Folder) {
    steps.append(.commit(number, partial))
    files += 1
    bytes += partial.position
    if folder !== lastFolder {
      lastFolder = folder
      // If the device number is unknown, treat the folder as on a file system of its own.
      folders[folder.device ?? UInt64(folders.count)] = folder
    }
  }

  /// Finishes the folder of the entry `number`: no more entries come for it. If no files are
  /// pending, sets its attributes now and returns the result. Else queues that for `commit` and
  /// returns nil.
  mutating func leave(_ number: Int, _ attributes: TreeReceiver.FolderAttributes) -> Result? {
    guard files == 0 else {
      steps.append(.leave(number, attributes))
      return nil
    }
    return (number, set(attributes))
  }

  /// Makes the files durable, renames them to their destinations, and sets the queued attributes of
  /// folders.
  ///
  /// - Returns: the result of each step. If the files can't be made durable, or their paths can't be
  ///   recorded, no file is renamed, and each fails with that error.
  mutating func commit() -> [Result] {
    let done = steps
    (steps, files, bytes) = ([], 0, 0)
    var obstacle: FileError?
    do throws(FileError) {
      try sync(done)
      try recordPaths(done)
    } catch {
      obstacle = error
    }
    var results: [Result] = []
    for step in done { results.append(finish(step, obstacle)) }
    return results
  }

  private func recordPaths(_ steps: [Step]) throws(FileError) {
    guard let record else { return }
    var paths: [[UInt8]] = []
    for case .commit(_, let partial) in steps { paths.append(partial.absolutePath) }
    if !paths.isEmpty { try record(paths) }
  }

  private mutating func finish(_ step: Step, _ obstacle: FileError?) -> Result {
    switch step {
    case .leave(let number, let attributes): return (number, set(attributes))
    case .commit(let number, let partial):
      do throws(FileError) {
        if let obstacle { throw obstacle.about(partial.path) }
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

  /// Writes the steps' files to the storage with syncfs(2). If all are on one file system, uses a
  /// descriptor that is already open.
  private func sync(_ steps: [Step]) throws(FileError) {
    guard syncs else { return }
    guard folders.count == 1 else { return try syncFolders() }
    for case .commit(_, let partial) in steps.prefix(1) { try partial.syncFileSystem() }
  }

  /// Makes the names durable. Call it after the last commit.
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
  /// The failure of a whole group, reported for one of its files.
  fileprivate func about(_ path: RelativePath) -> FileError {
    FileError(code, "cannot write '\(path)': \(message)", errno: errno, path: "\(path)")
  }
}
