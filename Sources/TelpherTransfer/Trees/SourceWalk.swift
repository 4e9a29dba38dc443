internal import TelpherFileStore
internal import TelpherWire

/// A path and the source that it belongs to.
struct SourcePath {
  /// The index of the source.
  let source: Int
  let path: RelativePath
}

/// Walks through the sources of a `TreeSender`, opens their files, and knows their names at the
/// receiver.
///
/// It is a class because the sender and its stream share it. Only the sender's thread uses it.
final class SourceWalk {
  /// A step of the walk.
  enum Step {
    /// An entry, with the target if it is a symlink. After a folder come its contents, then
    /// `leave`.
    case entry(RelativePath, FileStatus, link: [UInt8]?)
    /// The end of a folder.
    case leave
    /// Something that could not be read.
    case failed(RelativePath, FileError)
  }

  private let sources: [TreeSource]
  /// The number of the first entry of each source whose walk has begun.
  private var firstEntries: [Int] = []
  /// The walk through the current folder; nil between two sources.
  private var walker: TreeWalker?
  private var roots = SourceRoots()
  /// The folder that was used last.
  private var folder: Folder?

  /// A walk through one or more sources.
  init(_ sources: [TreeSource]) { self.sources = sources }

  /// Whether all sources were walked.
  var isAtEnd: Bool { walker == nil && firstEntries.count == sources.count }

  /// The next step. Call it until `isAtEnd`. The next entry has this number.
  ///
  /// - Throws: `FileError` if the only source can't be sent.
  func next(number: Int) throws(FileError) -> Step {
    guard walker != nil else {
      firstEntries.append(number)
      return try begin(sources[current])
    }
    guard let step = walker?.next() else {
      // The walker does not report the end of the source itself.
      walker = nil
      return .leave
    }
    switch step {
    case .entry(let path, let status, let link): return .entry(path, status, link: link)
    case .leave: return .leave
    case .failed(let path, let error): return .failed(path, error)
    }
  }

  /// Begins a source. If it is a symlink, it is followed.
  private func begin(_ source: TreeSource) throws(FileError) -> Step {
    do throws(FileError) {
      let (status, link) = try status(of: source)
      try source.check(status.kind)
      if status.kind == .folder {
        walker = TreeWalker(root: try roots.root(of: source), start: source.path)
      }
      return .entry(source.path, status, link: link)
    } catch {
      if sources.count == 1 || error.code == .canceled || error.code == .lost { throw error }
      return .failed(source.path, error)
    }
  }

  private func status(
    of source: TreeSource
  ) throws(FileError) -> (FileStatus, linkTarget: [UInt8]?) {
    if let status = source.status { return (status, nil) }
    let root = try roots.root(of: source)
    let found = try root.status(source.path, followsLink: false)
    guard found.0.kind == .link else { return found }
    do throws(FileError) {
      return try root.status(source.path, followsLink: true)
    } catch {
      // A link with a missing target, or one outside the root, is sent as a link of a tree.
      guard source.mayBeFolder, !source.mustBeFolder,
        error.code == .notFound || error.code == .badPath
      else { throw error }
      return found
    }
  }

  /// The index of the source that is being walked.
  private var current: Int { firstEntries.count - 1 }

  /// The source of the entry `number`; without a number, the source that is being walked.
  private func source(of number: Int?) -> TreeSource {
    guard let number, sources.count > 1 else { return sources[current] }
    var (low, high) = (0, firstEntries.count)
    // The last source whose first entry is not after `number`.
    while high - low > 1 {
      let middle = (low + high) / 2
      if firstEntries[middle] <= number { low = middle } else { high = middle }
    }
    return sources[low]
  }

  // MARK: Names at the receiver

  /// The path of the entry `number` as the receiver knows it; without a number, that of an entry of
  /// the source that is being walked.
  func wirePath(of path: RelativePath, _ number: Int? = nil) -> [UInt8] {
    source(of: number).wirePath(of: path)
  }

  /// The path to report for something that can't be sent. `number` is nil if it was not announced.
  func failurePath(of path: RelativePath, _ number: Int?) -> [UInt8] {
    let source = source(of: number)
    // A receiver that named several sources knows one that can't be sent by its path.
    return number == nil && path == source.path ? path.written : source.wirePath(of: path)
  }

  /// The name and the folder at the receiver of a file that is announced together with others; nil
  /// if it gets a record of its own.
  func sharedName(of path: RelativePath) -> (name: String, folder: [UInt8])? {
    let source = sources[current]
    let bytes: (name: [UInt8], folder: [UInt8])
    if path == source.path {
      // A receiver that has requested one name expects a record with that name.
      guard sources.count > 1 else { return nil }
      bytes = (source.name, [])
    } else {
      bytes = (path.name, source.wirePath(of: path.parent))
    }
    return String(validating: bytes.name, as: UTF8.self).map { ($0, bytes.folder) }
  }

  // MARK: Files

  /// A file of the source that is being walked.
  func file(_ path: RelativePath) -> SourcePath { SourcePath(source: current, path: path) }

  /// Opens a file.
  ///
  /// - Throws: `FileError` if it can't be opened.
  func open(_ file: SourcePath) throws(FileError) -> SourceFile {
    let source = sources[file.source]
    let root = try roots.root(of: source)
    let path = file.path
    let folder: Folder
    if let last = self.folder, last.root === root, last.path == path.parent {
      folder = last
    } else {
      folder = try root.parent(of: path)
      self.folder = folder
    }
    return try folder.openFile(path.name, followsLink: path == source.path)
  }

  /// The digest of a file.
  ///
  /// - Throws: `FileError` if it can't be read.
  func digest(of path: SourcePath, _ algorithm: DigestAlgorithm) throws(FileError) -> String {
    let file = try open(path)
    var hasher = FileHasher(algorithm)
    try hasher.update(file, 0..<file.status.size)
    return hasher.digest
  }

  /// Whether a file whose size is 0 has contents, like the files of proc(5). The receiver must not
  /// treat it as an unchanged empty file.
  func isContentAt(_ file: SourcePath) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { byte in
      // An error shows again when the file is sent.
      (try? open(file).read(into: byte, at: 0)) ?? 0 > 0
    }
  }
}
