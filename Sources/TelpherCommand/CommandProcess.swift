internal import Glibc
internal import Synchronization
package import TelpherTransport

/// The process of one command, from its launch to the end of its whole tree. It performs what
/// `CommandState` decides: it sends the signals, runs the timers, and bounds each wait. The
/// delegate has the command's outputs. Use it only on its loop's thread.
package final class CommandProcess {
  /// The times that differ between commands.
  package struct Times {
    /// From SIGTERM to SIGKILL, in nanoseconds.
    package var grace: UInt64
    /// How long to wait after the exit until other processes have closed the outputs, in
    /// nanoseconds; nil means forever.
    package var drain: UInt64?

    /// The times of one command.
    package init(grace: UInt64, drain: UInt64?) {
      self.grace = grace
      self.drain = drain
    }
  }

  /// The running or finished process; nil before it has started.
  package private(set) var child: (any ChildProcess)?
  /// How the process ended; nil before that.
  package private(set) var exit: ProcessExit?
  /// Why the process could not be launched; nil if it was.
  package private(set) var failure: SpawnError?
  /// Called by this object; set it before `launch`. The delegate owns this object.
  package unowned var delegate: (any CommandProcessDelegate)?

  private var state = CommandState()
  private let loop: any EventLoop
  private let times: Times
  private var signalsBeforeStart: [Int32] = []
  private var hasTerminal = false
  /// Read by the launching thread, which starts no process if it is set.
  private let launchIsCanceled = Flag()
  private var takeBackLaunch: () -> Bool = { false }
  private var phaseTimer: (any LoopTimer)?
  private var treeTimer: (any LoopTimer)?
  /// Whether the child and its tree are somebody else's.
  private var isTaken = false

  /// The time between two checks whether the processes of the tree have ended, in nanoseconds.
  private static let treeInterval: UInt64 = 20_000_000
  /// The drain after SIGKILL, in nanoseconds. It bounds the wait for processes that can't be ended.
  private static let shortDrain: UInt64 = 500_000_000
  /// How long to wait after that drain for a process that has not exited, in nanoseconds. SIGKILL
  /// ends a process much sooner, unless it hangs in the kernel (a dead network file system) or
  /// belongs to another user.
  private static let lastWait: UInt64 = 5_000_000_000
  /// The most signals that are kept until the command has started.
  private static let maxSignalsBeforeStart = 16

  private final class Flag: Sendable {
    let isSet = Atomic(false)
  }

  /// A process that is not launched yet.
  package init(on loop: any EventLoop, _ times: Times) {
    self.loop = loop
    self.times = times
  }

  /// Whether the process has been launched and has neither exited nor been ended.
  package var isRunning: Bool { state.phase == .running }
  /// Whether the command is being ended, or will be as soon as it has started.
  package var isEnding: Bool { state.reason != nil }
  /// Why the process was ended; nil if it was not.
  package var reason: CommandState.Reason? { state.reason }

  /// Whether processes of the tree are left. Call it before the result is known only; it may walk
  /// through all processes.
  ///
  /// - Parameter isThorough: whether to look even if that takes longer than most commands.
  package func hasSurvivors(isThorough: Bool) -> Bool {
    let looks =
      switch state.tree {
      case .gone: false
      case .outOfReach: isThorough
      case .unknown: loop.killScope == .cgroup
      }
    return looks && child?.hasSurvivors == true
  }

  /// Gives the child away, with the processes that it may have left behind: the caller releases it. Call
  /// it in `processDidFinish`.
  ///
  /// - Returns: the child, and the time from SIGTERM to SIGKILL in nanoseconds; nil if the command was
  ///   ended, which includes its processes.
  package func takeLeftBehind() -> (child: any ChildProcess, grace: UInt64)? {
    guard exit != nil, state.tree == .unknown, let child else { return nil }
    isTaken = true
    return (child, times.grace)
  }

  // MARK: Calls

  /// Performs a launch, now or later, and then calls the completion, never from within this call.
  ///
  /// - Returns: a function that takes the launch back if it has not begun; it returns whether it
  ///   did, and the completion is then not called.
  package typealias LaunchFunction = (
    SpawnRequest, @escaping (Result<any ChildProcess, SpawnError>) -> Void
  ) -> () -> Bool

  /// Launches the process. Call it once.
  ///
  /// - Parameter perform: performs the launch; nil launches at once.
  package func launch(_ request: SpawnRequest, by perform: LaunchFunction? = nil) {
    hasTerminal = request.terminal != nil
    var request = request
    request.isCanceled = { [launchIsCanceled] in launchIsCanceled.isSet.load(ordering: .relaxed) }
    let completion = { [self, delegate] (result: Result<any ChildProcess, SpawnError>) in
      // The delegate and this object live at least until the launch is over.
      withExtendedLifetime(delegate) { didLaunch(result) }
    }
    if let perform {
      takeBackLaunch = perform(request, completion)
    } else {
      loop.spawn(request, completion: completion)
    }
  }

  private func didLaunch(_ result: Result<any ChildProcess, SpawnError>) {
    switch result {
    case .success(let child): didStart(child)
    case .failure(let error):
      failure = error
      perform(state.didFailToStart())
    }
  }

  /// Starts no process if the launch has not begun yet.
  private func cancelLaunch() {
    launchIsCanceled.isSet.store(true, ordering: .relaxed)
    if takeBackLaunch() { perform(state.didFailToStart()) }
  }

  /// Sends `signal` to the process group; if the process has not started, then once it has.
  package func signal(_ signal: Int32) {
    if let child, exit == nil {
      child.signal(signal)
    } else if child == nil, signalsBeforeStart.count < Self.maxSignalsBeforeStart {
      signalsBeforeStart.append(signal)
    }
  }

  /// Ends the whole tree: SIGTERM, then SIGKILL after the grace.
  package func end(_ reason: CommandState.Reason) {
    perform(state.end(reason))
    cancelLaunch()
  }

  /// Ends the whole tree by SIGKILL.
  package func kill(_ reason: CommandState.Reason) {
    perform(state.kill(reason))
    cancelLaunch()
  }

  /// The delegate calls this once for each output, at its end.
  package func outputDidEnd() { perform(state.outputDidEnd()) }

  // MARK: Events

  private func didStart(_ child: any ChildProcess) {
    self.child = child
    child.onExit = { [unowned self] exit in
      delegate?.processWillEnd(exit)
      self.exit = exit
      perform(state.didExit())
    }
    let outputs = (child.output == nil ? 0 : 1) + (child.error == nil ? 0 : 1)
    let actions = state.didStart(outputs: outputs)
    signalsBeforeStart.forEach { child.signal($0) }
    signalsBeforeStart = []
    delegate?.processDidStart(child)
    perform(actions)
  }

  private func perform(_ actions: CommandState.Actions) {
    if actions.contains(.terminate) {
      // Interactive shells ignore SIGTERM, but end by SIGHUP.
      if hasTerminal { child?.signalTree(SIGHUP) }
      child?.signalTree(SIGTERM)
      // A stopped process handles SIGTERM only after it continues.
      child?.signalTree(SIGCONT)
      startTimer(times.grace) { process in process.perform(process.state.graceDidExpire()) }
    }
    if actions.contains(.kill) { child?.signalTree(SIGKILL) }
    if actions.contains(.watchTree) { watchTree() }
    if actions.contains(.startDrain), let drain = times.drain { startDrain(drain) }
    if actions.contains(.startShortDrain) { startDrain(Self.shortDrain) }
    if actions.contains(.takeLastOutput), !actions.contains(.finish) {
      delegate?.processNeedsLastOutput()
    }
    if actions.contains(.startLastWait) {
      startTimer(Self.lastWait) { process in process.perform(process.state.lastWaitDidExpire()) }
    }
    if actions.contains(.finish) { finish() }
  }

  private func startTimer(_ time: UInt64, _ fire: @escaping (CommandProcess) -> Void) {
    phaseTimer?.cancel()
    phaseTimer = loop.schedule(after: time) { [unowned self] in fire(self) }
  }

  private func startDrain(_ time: UInt64) {
    startTimer(time) { process in process.perform(process.state.drainDidExpire()) }
  }

  private func watchTree() {
    guard state.awaitsTree else { return }
    guard let child, child.mayHaveSurvivors else { return perform(state.treeIsGone()) }
    // Processes may have been forked since the last SIGKILL, or missed by it.
    if state.phase == .killed { child.signalTree(SIGKILL) }
    treeTimer?.cancel()
    treeTimer = loop.schedule(after: Self.treeInterval) { [unowned self] in watchTree() }
  }

  private func finish() {
    phaseTimer?.cancel()
    treeTimer?.cancel()
    let hadDelegate = delegate
    delegate = nil
    hadDelegate?.processDidFinish()
    child?.onExit = nil
    if !isTaken { child?.release() }
  }
}

/// Owns a `CommandProcess` and has the outputs of its command. All calls come on the loop's thread.
package protocol CommandProcessDelegate: AnyObject {
  /// The process has started. The delegate reads the outputs of `child` and calls `outputDidEnd()`
  /// once for each.
  func processDidStart(_ child: any ChildProcess)

  /// The process has exited. Other processes may still hold the outputs.
  func processWillEnd(_ exit: ProcessExit)

  /// The wait for the outputs is over: the delegate ends each after the bytes that it holds now.
  func processNeedsLastOutput()

  /// The process, its outputs and its tree have ended, or it could not be launched. The last call.
  func processDidFinish()
}
