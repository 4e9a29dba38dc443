internal import Glibc
internal import Synchronization
internal import TelpherTransport
internal import TelpherWire

/// One command: it owns the process, its pipes and its timers, and performs what `CommandState` and
/// `OutletState` decide. The server's `JobTable` owns the job; connections do not: an outlet may be
/// lost, and another one may attach later. Use it only on its loop's thread.
final class CommandJob {
  /// What a job needs from its server.
  struct Surroundings {
    let loop: any EventLoop
    /// Launches the commands of all connections in turn.
    let launches: LaunchLine
    /// The environment that commands start with; the request's variables are added to it.
    let environment: [SystemString: SystemString]
    /// Reads outputs that background processes still hold after the drain.
    let heldOutputs: HeldOutputs
    /// How long a job runs without a stream before it is ended, in nanoseconds.
    let keepDetachedFor: UInt64
  }

  /// Its id in the server's table.
  let id: JobID
  /// The client's request; `start` removes its arguments and environment.
  private var request: RunRequest
  private let surroundings: Surroundings
  private var loop: any EventLoop { surroundings.loop }
  private let wasLaunched: () -> Void
  private let didFinish: (CommandJob, CloseResult) -> Void

  private var state = CommandState()
  private var outlets = OutletState()
  private var launch: LaunchLine.Launch?
  private var child: (any ChildProcess)?
  private var input: InputPump?
  private var outputs: [OutputPump] = []
  private var exit: ProcessExit?
  private var failure: SpawnError?
  private var signalsBeforeStart: [Int32] = []
  /// Channels whose output the client stopped before the command had started.
  private var channelsStoppedBeforeStart: Set<UInt8> = []
  /// Bytes of input that the command's pipe accepted, or that were dropped.
  private var inputTaken: UInt64 = 0
  /// Set if the job is ended before its launch. The launching thread then starts no process.
  private let launchIsCanceled = Flag()
  private let startedAt: UInt64
  private var endedAt: UInt64
  private var deadlineTimer: (any LoopTimer)?
  private var phaseTimer: (any LoopTimer)?
  private var treeTimer: (any LoopTimer)?
  private var detachTimer: (any LoopTimer)?

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

  /// - Parameters:
  ///   - wasLaunched: called once, when the command has started or has failed to start.
  ///   - didFinish: called once, when the result is known.
  init(
    id: JobID, request: RunRequest, surroundings: Surroundings,
    wasLaunched: @escaping () -> Void = {},
    didFinish: @escaping (CommandJob, CloseResult) -> Void
  ) {
    self.id = id
    self.request = request
    self.surroundings = surroundings
    self.wasLaunched = wasLaunched
    self.didFinish = didFinish
    startedAt = surroundings.loop.now
    endedAt = startedAt
  }

  /// Whether another stream can attach to the job, by the id that the client chose.
  var isNamed: Bool {
    if case .named = id { true } else { false }
  }

  // MARK: Start

  /// Launches the command.
  ///
  /// - Parameters:
  ///   - outlet: gets the outputs and the result.
  ///   - owner: the connection, which takes turns with the others to launch.
  ///   - noInput: whether standard input is /dev/null instead of a pipe.
  func start(for outlet: any JobOutlet, of owner: ObjectIdentifier, noInput: Bool) {
    _ = outlets.attach(outlet)
    if !noInput {
      input = InputPump(
        didTake: { [unowned self] count in
          inputTaken += UInt64(count)
          outlets.current?.jobDidTakeInput(count, total: inputTaken)
        },
        didBreak: { [unowned self] in outlets.current?.jobDidEndInput() })
    }
    if let deadline = request.deadlineMS {
      deadlineTimer = loop.schedule(after: Self.nanoseconds(deadline)) { [unowned self] in
        end(.deadline)
      }
    }
    let spawn = spawnRequest(noInput: noInput)
    // Free up to 2 MiB that the job does not need any more.
    (request.argv, request.shell, request.env) = (nil, nil, nil)
    launch = surroundings.launches.add(spawn, for: owner) { [self] result in
      wasLaunched()
      switch result {
      case .success(let child): didStart(child)
      case .failure(let error):
        failure = error
        perform(state.didFailToStart())
      }
    }
  }

  private final class Flag: Sendable {
    let isSet = Atomic(false)
  }

  private func spawnRequest(noInput: Bool) -> SpawnRequest {
    var spawn = SpawnRequest(
      arguments: request.arguments,
      environment: request.environment(from: surroundings.environment),
      directory: request.cwd.map { SystemString($0.bytes) },
      input: noInput ? .null : .pipe,
      error: request.merge == true ? .sameAsOutput : .pipe,
      limits: (request.limits ?? [:]).map { name, value in
        guard let kind = ResourceLimit.Kind(rawValue: name) else {
          preconditionFailure("RunRequest.decode refuses unknown limits")
        }
        return ResourceLimit(kind, value)
      })
    spawn.isCanceled = { [launchIsCanceled] in launchIsCanceled.isSet.load(ordering: .relaxed) }
    return spawn
  }

  private func didStart(_ child: any ChildProcess) {
    self.child = child
    child.onExit = { [unowned self] exit in
      self.exit = exit
      endedAt = loop.now
      if request.drainMS != -1 && state.phase == .running { deadlineTimer?.cancel() }
      input?.stop()
      perform(state.didExit())
    }
    let pipes = [(Channel.stdout, child.output), (.stderr, child.error)]
    outputs = pipes.compactMap { channel, pipe in
      pipe.map { pipe in
        OutputPump(
          channel: channel, pipe: pipe,
          didHold: { [unowned self] pipe in surroundings.heldOutputs.take(pipe) },
          didEnd: { [unowned self] in perform(state.outputDidEnd()) })
      }
    }
    let actions = state.didStart(outputs: outputs.count)
    input?.start(child.input)
    signalsBeforeStart.forEach { child.signal($0) }
    signalsBeforeStart = []
    if let outlet = outlets.current { connect(outlet) }
    for pump in outputs {
      if outlets.isDropped { pump.discard() }
      if channelsStoppedBeforeStart.contains(pump.channel.rawValue) { pump.stop() }
    }
    perform(actions)
  }

  private func connect(_ outlet: any JobOutlet) {
    // With `merge` standard error has no pipe, but its channel needs a FIN too.
    if request.merge == true { outlet.open(.stderr).finish() }
    for pump in outputs { pump.attach(outlet.open(pump.channel)) }
    outputs.forEach { $0.proceed() }
  }

  // MARK: From the client

  /// Whether the command reads standard input.
  var readsInput: Bool { input != nil }

  /// Passes bytes to the command's standard input.
  func receiveInput(_ chunk: Chunk) { input?.receive(chunk) }

  /// Ends the command's standard input.
  func receiveEndOfInput() { input?.finish() }

  /// Handles a control message. The stream handles `detach`.
  ///
  /// - Throws: `WireError` if the signal does not exist; the caller then resets the stream.
  func receive(_ message: ControlMessage) throws(WireError) {
    switch message {
    case .signal(let signal):
      guard signal > 0, signal <= 64 else {
        throw WireError(.protocolError, "CONTROL: there is no signal \(signal)")
      }
      if let child, exit == nil {
        child.signal(signal)
      } else if child == nil, signalsBeforeStart.count < Self.maxSignalsBeforeStart {
        signalsBeforeStart.append(signal)
      }
    case .stopSending(let number):
      if child == nil { channelsStoppedBeforeStart.insert(number) }
      outputs.first { $0.channel.rawValue == number }?.stop()
    case .cancel: end(.canceled)
    case .detach, .resize, .digest, .restart, .opened: break
    }
  }

  // MARK: Attaching and detaching

  /// Attaches a new outlet instead of the current one, and reports to it the offset of each output
  /// at which it begins.
  func attach(_ outlet: any JobOutlet, noInput: Bool) {
    outputs.forEach { $0.detach() }
    input?.detach()
    outlets.attach(outlet)?.jobDidLeave(.replaced)
    detachTimer?.cancel()
    outlet.jobDidAttach(at: counts)
    if let input { input.attach(hasEnded: noInput) } else if !noInput { outlet.jobDidEndInput() }
    connect(outlet)
  }

  /// Why an outlet detaches.
  enum Departure {
    /// The client asked for it. The command continues.
    case asked
    /// The client wants no more of the command. It is ended.
    case canceled
    /// The connection was lost. The command continues if the client asked to keep it.
    case disconnected
  }

  /// Detaches `outlet`, or does nothing if it is not attached any more. If the command continues,
  /// its outputs wait for another outlet; if not, it is ended.
  func detach(_ outlet: any JobOutlet, _ departure: Departure) {
    let keepsJob: Bool
    var reason = CommandState.Reason.canceled
    switch departure {
    case .asked: keepsJob = true
    case .canceled: keepsJob = false
    case .disconnected:
      keepsJob = request.onDisconnect == .keep
      reason = .disconnected
    }
    let action = outlets.detach(outlet, keepsJob: keepsJob)
    guard action != .ignore else { return }
    input?.detach()
    outputs.forEach { $0.detach() }
    switch action {
    case .ignore: break
    case .leave: outlet.jobDidLeave(.detached)
    case .wait:
      detachTimer = loop.schedule(after: surroundings.keepDetachedFor) { [unowned self] in
        outlets.drop()
        end(.expired)
        dropOutputs()
      }
      outlet.jobDidLeave(.detached)
      outputs.forEach { $0.settle() }
    case .drop:
      // `end` comes first: dropping the outputs could finish the command without the reason.
      end(reason)
      dropOutputs()
    }
  }

  private func dropOutputs() {
    outputs.forEach { $0.discard() }
  }

  /// Ends the command, before its launch or by SIGTERM to its tree, and SIGKILL after the grace.
  func end(_ reason: CommandState.Reason) {
    perform(state.end(reason))
    cancelLaunch()
  }

  /// Ends the command without a grace, and drops its output.
  func kill(_ reason: CommandState.Reason) {
    outlets.drop()
    perform(state.kill(reason))
    cancelLaunch()
    dropOutputs()
  }

  private func cancelLaunch() {
    launchIsCanceled.isSet.store(true, ordering: .relaxed)
    guard let launch, surroundings.launches.cancel(launch) else { return }
    wasLaunched()
    perform(state.didFailToStart())
  }

  // MARK: Ending

  private func perform(_ actions: CommandState.Actions) {
    if actions.contains(.terminate) {
      child?.signalTree(SIGTERM)
      // A stopped process handles SIGTERM only after it continues.
      child?.signalTree(SIGCONT)
      startTimer(Self.nanoseconds(request.graceMS ?? RunRequest.defaultGraceMS)) { job in
        job.perform(job.state.graceDidExpire())
      }
    }
    if actions.contains(.kill) { child?.signalTree(SIGKILL) }
    if actions.contains(.watchTree) { watchTree() }
    if actions.contains(.startDrain) {
      let drain = request.drainMS ?? RunRequest.defaultDrainMS
      if drain >= 0 { startDrain(Self.nanoseconds(drain)) }
    }
    if actions.contains(.startShortDrain) { startDrain(Self.shortDrain) }
    if actions.contains(.takeLastOutput), !actions.contains(.finish) {
      outputs.forEach { $0.takeLastOutput() }
    }
    if actions.contains(.startLastWait) {
      startTimer(Self.lastWait) { job in job.perform(job.state.lastWaitDidExpire()) }
    }
    if actions.contains(.finish) { finish() }
  }

  private func startTimer(_ time: UInt64, _ fire: @escaping (CommandJob) -> Void) {
    phaseTimer?.cancel()
    phaseTimer = loop.schedule(after: time) { [unowned self] in fire(self) }
  }

  private func startDrain(_ time: UInt64) {
    startTimer(time) { job in job.perform(job.state.drainDidExpire()) }
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
    [deadlineTimer, phaseTimer, treeTimer, detachTimer].forEach { $0?.cancel() }
    let result = makeResult()
    child?.onExit = nil
    child?.release()
    input?.stop()
    for outlet in outlets.finish() { outlet.jobDidLeave(.finished(result)) }
    didFinish(self, result)
  }

  private var counts: [String: UInt64] {
    // With `merge` channel 2 has no pipe, and its count is 0.
    var counts: [String: UInt64] = ["1": 0, "2": 0]
    for pump in outputs { counts["\(pump.channel.rawValue)"] = pump.count }
    return counts
  }

  private func makeResult() -> CloseResult {
    var result: CloseResult
    if child == nil, let reason = state.reason {
      result = CloseResult(neverStartedFor: reason, limits: limits)
      endedAt = loop.now
    } else if let failure {
      return CloseResult(failure)
    } else if let exit {
      result = CloseResult(exit, endedFor: state.reason, limits: limits)
    } else if let reason = state.reason {
      result = CloseResult(unendedFor: reason, limits: limits)
      endedAt = loop.now
    } else {
      preconditionFailure("only a command that was ended finishes without its exit")
    }
    result.bytes = counts
    result.wallMS = Double(endedAt - startedAt) / 1_000_000
    if outputs.contains(where: \.wasHeld) { result.pipeHeld = true }
    if mayHaveSurvivors, child?.hasSurvivors == true { result.survivors = true }
    return result
  }

  /// Whether to look for processes that are left. Without a control group this scans all processes,
  /// which takes longer than most commands.
  private var mayHaveSurvivors: Bool {
    switch state.tree {
    case .gone: false
    case .outOfReach: outlets.current != nil || isNamed
    case .unknown: loop.killScope == .cgroup
    }
  }

  private var limits: CloseResult.CommandLimits {
    CloseResult.CommandLimits(
      deadlineMS: request.deadlineMS, keptMS: Int64(surroundings.keepDetachedFor / 1_000_000))
  }

  private static func nanoseconds(_ milliseconds: Int64) -> UInt64 {
    UInt64(milliseconds) * 1_000_000
  }
}
