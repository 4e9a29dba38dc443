/// A walk through all that is in a folder: depth first, each folder before what is in it, sorted by
/// the bytes of the names, partial files left out. Symlinks are reported and not followed.
///
/// It goes on step by step, as the caller wants. What is changed meanwhile is reported as before or
/// as after, or not at all. `next` blocks; from one thread at a time.
public struct TreeWalker: Sendable {
  /// What a walk comes to.
  public enum Step: Sendable {
    /// Something, with the target of a symlink. What is in a folder comes next, then its `leave`.
    case entry(RelativePath, FileStatus, link: [UInt8]?)
    /// The end of a folder that was an `entry`. (The start is neither.)
    case leave(RelativePath)
    /// What could not be looked at, or a folder that could not be read. The walk goes on.
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
  /// The folder that was reported last, to go into.
  private var pending: [UInt8]?
  /// The folder that could not be read, to leave.
  private var unread: RelativePath?

  /// A walk through the folder `start`, along symlinks on the way to it.
  public init(root: Root, start: RelativePath) {
    self.root = root
    self.start = start
  }

  /// The next step; nil behind the last. Where the start is no folder, the only step is `failed`.
  public mutating func next() -> Step? {
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
      state = .finished  // so that the descent has one owner, and nothing is copied
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
        // Gone since its name was read: as if it had never been.
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
