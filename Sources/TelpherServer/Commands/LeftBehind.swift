internal import Glibc
internal import TelpherTransport

/// Processes that commands have left behind and that may not go on longer than the time of their
/// command. Each tree ends by itself, or else by SIGTERM at the deadline and SIGKILL after the grace. Use
/// it only on its loop's thread.
final class LeftBehind {
  /// The most trees at once. Each keeps the id of an ended process, and maybe a control group. For a
  /// further one the oldest is killed.
  static let limit = 256
  /// The time between two checks whether the processes of a tree have ended, in nanoseconds: a tree that
  /// has ended only costs memory until then.
  private static let pause: UInt64 = 1_000_000_000
  /// The same for a tree that is being ended.
  private static let shortPause: UInt64 = 50_000_000
  /// How long SIGKILL is repeated, in nanoseconds. What is left then can't be ended: it hangs in the
  /// kernel.
  private static let lastWait: UInt64 = 5_000_000_000

  /// What is done to a tree.
  private enum Phase {
    /// Nothing before `deadline`. Next: terminating, killed.
    case running(deadline: UInt64)
    /// It was sent SIGTERM and has until `end`. Next: killed.
    case terminating(end: UInt64)
    /// It is sent SIGKILL until `end`. Next: it is given up.
    case killed(end: UInt64)
  }

  private struct Tree {
    let child: any ChildProcess
    let grace: UInt64
    var phase: Phase
  }

  private let loop: any EventLoop
  private let didEmpty: () -> Void
  /// The oldest first.
  private var trees: [Tree] = []
  private var timer: (any LoopTimer)?

  /// - Parameter didEmpty: called each time the last tree has ended.
  init(loop: any EventLoop, didEmpty: @escaping () -> Void) {
    self.loop = loop
    self.didEmpty = didEmpty
  }

  /// Whether no process is left, as far as that is known.
  var isEmpty: Bool { trees.isEmpty }

  /// Keeps the tree of a child that has exited, and releases the child at its end.
  ///
  /// - Parameters:
  ///   - deadline: when it is ended, on the loop's clock.
  ///   - grace: the time from SIGTERM to SIGKILL, in nanoseconds.
  func keep(_ child: any ChildProcess, until deadline: UInt64, grace: UInt64) {
    // Signal 0 does nothing to a process, but from now on those that have left their control group count
    // as well.
    child.signalTree(0)
    guard child.mayHaveSurvivors else { return child.release() }
    if trees.count >= Self.limit {
      let isAlive = trees.firstIndex { if case .killed = $0.phase { false } else { true } }
      if let oldest = isAlive { kill(&trees[oldest]) }
    }
    trees.append(Tree(child: child, grace: grace, phase: .running(deadline: deadline)))
    schedule()
  }

  /// Kills all of them, at the end of the server.
  func endAll() {
    timer?.cancel()
    timer = nil
    let all = trees
    trees = []
    for tree in all {
      tree.child.signalTree(SIGKILL)
      tree.child.release()
    }
  }

  private func check() {
    timer = nil
    guard !trees.isEmpty else { return }
    trees = trees.compactMap { tree in
      var tree = tree
      return proceed(&tree) ? tree : nil
    }
    schedule()
    if trees.isEmpty { didEmpty() }
  }

  /// Does what is due, and returns whether processes may be left. If not, the child was released.
  private func proceed(_ tree: inout Tree) -> Bool {
    guard tree.child.mayHaveSurvivors else {
      tree.child.release()
      return false
    }
    switch tree.phase {
    case .running(let deadline):
      guard loop.now >= deadline else { return true }
      tree.child.signalTree(SIGTERM)
      // A stopped process handles SIGTERM only after it continues.
      tree.child.signalTree(SIGCONT)
      tree.phase = .terminating(end: loop.now + tree.grace)
    case .terminating(let end):
      if loop.now >= end { kill(&tree) }
    case .killed(let end):
      tree.child.signalTree(SIGKILL)
      guard loop.now >= end else { return true }
      tree.child.release()
      return false
    }
    return true
  }

  private func kill(_ tree: inout Tree) {
    tree.child.signalTree(SIGKILL)
    tree.phase = .killed(end: loop.now + Self.lastWait)
  }

  /// Lets `check` be called when the next thing is due.
  private func schedule() {
    timer?.cancel()
    timer = nil
    let now = loop.now
    let waits = trees.map { tree in
      switch tree.phase {
      case .running(let deadline): min(Self.pause, deadline > now ? deadline - now : 0)
      case .terminating, .killed: Self.shortPause
      }
    }
    guard let wait = waits.min() else { return }
    timer = loop.schedule(after: wait) { [weak self] in self?.check() }
  }
}
