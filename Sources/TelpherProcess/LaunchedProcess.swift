internal import Glibc
package import TelpherTransport

/// How the processes that come from a child are found.
enum ProcessTracking: Sendable {
  /// They are not found: the child is in our own session and process group.
  case none
  /// By this control group. Processes that left the group are found by walks through /proc.
  case group(ControlGroup, ProcessTree)
  /// By walks through /proc.
  case tree(ProcessTree)
}

/// A process that a `Launcher` started. May be used from any thread.
///
/// If the child's tree is tracked, the child stays a zombie until `release()`, even after `reap()`.
/// So no other process can get its id, its group id or its session id while the tree may be
/// signaled.
package final class LaunchedProcess: Sendable {
  /// The process id. It stays this child's until `release()`; if the tree is not tracked, until
  /// `reap()` has returned the exit.
  package let pid: Int32
  /// A pidfd, close-on-exec. It becomes readable when the child has ended (pidfd_open(2)). The
  /// owner of this object closes it.
  package let pidDescriptor: Int32
  /// Our end of standard input's pipe, close-on-exec and nonblocking. Nil unless a pipe was
  /// requested. The owner of this object closes it.
  package let input: Int32?
  /// Our end of standard output's pipe, like `input`.
  package let output: Int32?
  /// Our end of standard error's pipe, like `input`.
  package let error: Int32?
  /// Whether `input` and `output` are descriptors of the master side of the child's terminal.
  package let isOnTerminal: Bool

  private struct State {
    var exit: ProcessExit?
    var isReaped = false
    var isReleased = false
    /// Whether the tree was sent a signal. From then on, processes that left the control group also
    /// count as survivors.
    var wasSignaled = false
  }

  private let tracking: ProcessTracking
  private let launcher: Launcher
  /// The group that holds the limits of the child's tree. Nil if it has none.
  private let limited: ResourceGroup?
  /// The child's place in the guard's table, until `release()`.
  private let guardSlot: CommandGuard.Slot?
  /// Also held while signals are sent: a concurrent `release()` must not free the id or the group
  /// for another process meanwhile.
  private let state = Monitor(State())

  init(
    pid: Int32, pidDescriptor: Int32, input: Int32?, output: Int32?, error: Int32?,
    isOnTerminal: Bool, tracking: ProcessTracking, limited: ResourceGroup?,
    guardSlot: CommandGuard.Slot?,
    launcher: Launcher
  ) {
    self.limited = limited
    self.guardSlot = guardSlot
    self.pid = pid
    self.pidDescriptor = pidDescriptor
    self.input = input
    self.output = output
    self.error = error
    self.isOnTerminal = isOnTerminal
    self.tracking = tracking
    self.launcher = launcher
  }

  deinit {
    release()
    // The child still runs and is still ours: the table waits for it when it ends.
    if !state.withLock({ $0.isReaped }) { launcher.children.abandon(pid) }
  }

  /// Returns how the child ended and what it used, or nil while it runs. May be called again.
  package func reap() -> ProcessExit? {
    state.withLock { reap(&$0) }
  }

  /// Sends `signal` to the child's process group. If the tree is not tracked, sends it only to the
  /// child, because its group is ours. Does nothing once the child was waited for.
  package func signalGroup(_ signal: Int32) {
    state.withLock { state in
      guard !state.isReaped else { return }
      kill(isTracked ? -pid : pid, signal)
    }
  }

  /// Sends `signal` to every process that came from this child, as far as `Launcher.killScope`
  /// reaches. If the tree is not tracked, acts like `signalGroup(_:)`. Does nothing after
  /// `release()`.
  ///
  /// This does not wait for the effect of the signal. It walks through /proc, which takes some
  /// milliseconds, also to find processes that left their control group.
  package func signalTree(_ signal: Int32) {
    guard isTracked else { return signalGroup(signal) }
    state.withLock { state in
      guard !state.isReleased else { return }
      state.wasSignaled = true
      switch tracking {
      case .none: break
      case .group(let group, let tree):
        // Processes that left the group. SIGKILL must reach them; for other signals the walk is
        // skipped if it costs too much.
        tree.signal(signal, except: group.signal(signal), regardlessOfCost: signal == SIGKILL)
      case .tree(let tree): tree.signal(signal)
      }
    }
  }

  /// Whether any process that came from this child still runs, the child included. Zombies are not
  /// counted. False after `release()`.
  ///
  /// Without a control group, and after `signalTree(_:)`, this walks through /proc for some
  /// milliseconds. Before `signalTree(_:)`, processes that left their control group are not
  /// counted.
  package var hasSurvivors: Bool {
    state.withLock { hasSurvivors(&$0) }
  }

  private func hasSurvivors(_ state: inout State) -> Bool {
    switch tracking {
    case .none: reap(&state) == nil
    case .group(let group, let tree):
      !state.isReleased && (group.hasSurvivors || (state.wasSignaled && tree.hasSurvivors))
    case .tree(let tree): !state.isReleased && tree.hasSurvivors
    }
  }

  /// Like `hasSurvivors`, but also true if a walk through /proc costs too much at the moment. Ask
  /// again later.
  package var mayHaveSurvivors: Bool {
    state.withLock { state in
      if case .group(let group, let tree) = tracking, state.wasSignaled {
        return !state.isReleased && (group.hasSurvivors || tree.mayHaveSurvivors)
      }
      return hasSurvivors(&state)
    }
  }

  /// What the group with the limits of the child's tree has counted. Nil if the tree has none, and
  /// after `release()`.
  package var groupUsage: GroupUsage? {
    state.withLock { $0.isReleased ? nil : limited?.usage }
  }

  /// Ends the tracking of the tree. Processes that still run keep running. Does nothing if called
  /// again. `reap()` still reports the exit of a child that ends later.
  package func release() {
    let group: ControlGroup? = state.withLock { state in
      guard !state.isReleased else { return nil }
      state.isReleased = true
      // The child was kept as a zombie for its id.
      if state.exit != nil && !state.isReaped {
        state.exit = nil
        _ = reap(&state)
      }
      if let guardSlot { launcher.commandGuard?.free(guardSlot) }
      if case .group(let group, _) = tracking { return group }
      return nil
    }
    if let group { launcher.giveBack(group) }
    limited?.remove()
  }

  private var isTracked: Bool {
    if case .none = tracking { false } else { true }
  }

  private func reap(_ state: inout State) -> ProcessExit? {
    if let exit = state.exit { return exit }
    let isKept = isTracked && !state.isReleased
    guard let exit = ProcessExit(ofChild: pid, keeping: isKept) else { return nil }
    state.exit = exit
    if !isKept {
      state.isReaped = true
      launcher.children.didReap(pid)
    }
    return exit
  }
}
