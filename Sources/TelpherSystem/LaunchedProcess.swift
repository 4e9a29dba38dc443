internal import Glibc
public import TelpherTransport

/// How the processes that come from a child are found.
enum ProcessTracking: Sendable {
  /// Not at all: the child is in our own session and group.
  case none
  /// They are in this control group, but for those that left it, which walks find.
  case group(ControlGroup, ProcessTree)
  /// By walks.
  case tree(ProcessTree)
}

/// A process that a `Launcher` started. From any thread.
///
/// A child whose tree is tracked stays a zombie until `release()`, whoever asked for its status: so
/// its id, and that of its group and session, can't become a stranger's while it may be signaled.
public final class LaunchedProcess: Sendable {
  /// The process id. It stays this child's until `release()`, or where its tree is not tracked until
  /// `reap()` returned its exit.
  public let pid: Int32
  /// A pidfd, close-on-exec: readable once the child has ended (pidfd_open(2)). The owner of this
  /// object closes it.
  public let pidDescriptor: Int32
  /// Our end of standard input's pipe, close-on-exec and nonblocking; nil unless a pipe was asked
  /// for. The owner of this object closes it.
  public let input: Int32?
  /// Our end of standard output's pipe, as `input`.
  public let output: Int32?
  /// Our end of standard error's pipe, as `input`.
  public let error: Int32?

  private struct State {
    var exit: ProcessExit?
    var isReaped = false
    var isReleased = false
    /// Whether all were sent a signal: then it matters who has left the control group.
    var wasSignaled = false
  }

  private let tracking: ProcessTracking
  private let launcher: Launcher
  /// The guard's note of it, until it is released.
  private let guardSlot: CommandGuard.Slot?
  /// Held while signals are sent as well: a concurrent `release()` must not hand the id or the group
  /// to somebody else meanwhile.
  private let state = Lock(State())

  init(
    pid: Int32, pidDescriptor: Int32, input: Int32?, output: Int32?, error: Int32?,
    tracking: ProcessTracking, guardSlot: CommandGuard.Slot?, launcher: Launcher
  ) {
    self.guardSlot = guardSlot
    self.pid = pid
    self.pidDescriptor = pidDescriptor
    self.input = input
    self.output = output
    self.error = error
    self.tracking = tracking
    self.launcher = launcher
  }

  deinit {
    release()
    // Its parent is still us: somebody has to wait for it when it ends.
    if !state.withLock({ $0.isReaped }) { launcher.children.abandon(pid) }
  }

  /// How the child ended and what it used, or nil while it runs. It may be asked again.
  public func reap() -> ProcessExit? {
    state.withLock { reap(&$0) }
  }

  /// Sends `signal` to the child's process group, or where its tree is not tracked to the child
  /// alone, whose group is ours. Nothing happens once the child was waited for.
  public func signalGroup(_ signal: Int32) {
    state.withLock { state in
      guard !state.isReaped else { return }
      kill(isTracked ? -pid : pid, signal)
    }
  }

  /// Sends `signal` to every process that came from this child, as far as `Launcher.killScope`
  /// reaches; where its tree is not tracked, as `signalGroup(_:)`. Nothing happens after
  /// `release()`.
  ///
  /// It does not wait for the signal's effect. It walks through /proc, for some milliseconds, also to
  /// find those that have left their control group.
  public func signalTree(_ signal: Int32) {
    guard isTracked else { return signalGroup(signal) }
    state.withLock { state in
      guard !state.isReleased else { return }
      state.wasSignaled = true
      switch tracking {
      case .none: break
      case .group(let group, let tree):
        // Those that have left the group: SIGKILL is to reach them, others should.
        tree.signal(signal, except: group.signal(signal), atAnyPrice: signal == SIGKILL)
      case .tree(let tree): tree.signal(signal)
      }
    }
  }

  /// Whether any process that came from this child is still there, the child included, zombies not
  /// counted. False after `release()`. Without a control group, and after `signalTree(_:)`, it walks for
  /// some milliseconds; before that, those that left their control group are not counted.
  public var hasSurvivors: Bool {
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

  /// As `hasSurvivors`, but true where looking is too dear at the moment: it is to be asked again.
  public var mayHaveSurvivors: Bool {
    state.withLock { state in
      if case .group(let group, let tree) = tracking, state.wasSignaled {
        return !state.isReleased && (group.hasSurvivors || tree.mayHaveSurvivors)
      }
      return hasSurvivors(&state)
    }
  }

  /// Ends the tracking of the tree: what still runs is left to itself. Harmless when repeated. A
  /// child that still runs can be asked for its exit afterwards as before.
  public func release() {
    let group: ControlGroup? = state.withLock { state in
      guard !state.isReleased else { return nil }
      state.isReleased = true
      // A zombie until now, kept for its id.
      if state.exit != nil && !state.isReaped {
        state.exit = nil
        _ = reap(&state)
      }
      if let guardSlot { launcher.commandGuard?.free(guardSlot) }
      if case .group(let group, _) = tracking { return group }
      return nil
    }
    if let group { launcher.giveBack(group) }
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
