/// Walks through the contents of a folder at all depths. It reports a folder before its contents,
/// sorts by the bytes of the names, and leaves out partial files. Symlinks are reported and not
/// followed.
///
/// If an entry changes during the walk, the walk may report its old state, its new state or
/// nothing. `next` blocks; one thread at a time may call it.
package struct TreeWalker: Sendable {
  /// A step of the walk.
  package enum Step: Sendable {
    /// An entry, with the target if it is a symlink. After a folder come its contents, then
    /// `leave`.
    case entry(RelativePath, FileStatus, link: [UInt8]?)
    /// The end of a folder that was reported as an `entry`. The start folder is not reported.
    case leave(RelativePath)
    /// An entry whose status, or a folder whose names, could not be read. The walk continues.
    case failed(RelativePath, FileError)
  }

  private enum State {
    case starting
    case walking(TreeDescent)
    case finished
  }

  private let root: Root
  private let start: RelativePath
  private var state = State.starting
  /// The folder that was reported last and is to be entered next.
  private var pending: [UInt8]?
  /// The folder that could not be read and whose `leave` comes next.
  private var unread: RelativePath?

  /// Creates a walk through the folder `start`. Symlinks in the path `start` are followed.
  package init(root: Root, start: RelativePath) {
    self.root = root
    self.start = start
  }

  /// Returns the next step; nil after the last. If the start can't be read as a folder, the only
  /// step is `failed`.
  package mutating func next() -> Step? {
    switch state {
    case .finished: return nil
    case .starting:
      do {
        state = .walking(try TreeDescent(from: root.folder(start)))
      } catch {
        state = .finished
        return .failed(start, error)
      }
      return next()
    case .walking(var descent):
      state = .finished  // keeps one reference to the descent, so that changing it copies nothing
      guard let step = next(&descent) else { return nil }
      state = .walking(descent)
      return step
    }
  }

  private mutating func next(_ descent: inout TreeDescent) -> Step? {
    if let path = unread {
      unread = nil
      return .leave(path)
    }
    if let name = pending {
      pending = nil
      do { try descent.enter(name) } catch {
        let path = descent.path.appending(unchecked: name)
        unread = path
        return .failed(path, error)
      }
    }
    while let name = descent.nextName() {
      if Partial.isPartial(name) { continue }
      do {
        let path = try descent.path.appending(name)
        let folder = try descent.folder()
        // Skip an entry that was removed since its name was read.
        guard let status = try folder.status(of: name) else { continue }
        if status.kind == .folder { pending = name }
        let target = status.kind == .link ? try folder.linkTarget(of: name) : nil
        return .entry(path, status, link: target)
      } catch {
        return .failed(descent.path.appending(unchecked: name), error)
      }
    }
    let path = descent.path
    return descent.leave() == nil ? nil : .leave(path)
  }
}
