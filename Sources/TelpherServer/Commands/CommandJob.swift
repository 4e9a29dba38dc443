internal import Glibc
internal import Synchronization
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// One command: it owns the process, its pipes and its timers, and performs what `CommandState`
/// decides. A job belongs to a loop, not to a connection: its stream may be lost, and another
/// stream may attach later. Use it only on its loop's thread.
final class CommandJob {
  /// The stream that receives a command's output and result.
  struct Outlet {
    let connection: ServerConnection
    let stream: StreamID
    var link: Link { connection.link }
  }

  /// What a job needs from its server.
  struct Surroundings {
    let loop: any EventLoop
    /// The environment that commands start with; the request's variables are added to it.
    let environment: [SystemString: SystemString]
    /// Reads outputs that background processes still hold after the drain.
    let heldOutputs: HeldOutputs
    /// How long a job runs without a stream before it is ended, in nanoseconds.
    let keepDetachedFor: UInt64
  }

  /// The client's request; `start` removes its arguments and environment.
  private(set) var request: RunRequest
  /// Called when the result is known, for a connection whose stream of this job is gone.
  var whenFinished: (() -> Void)?
  private let surroundings: Surroundings
  private var loop: any EventLoop { surroundings.loop }
  private let wasLaunched: () -> Void
  private let didFinish: (CommandJob, CloseResult) -> Void

  private(set) var outlet: Outlet?
  private(set) var result: CloseResult?
  private var state = CommandState()
  private var child: (any ChildProcess)?
  private var input: InputPump?
  private var outputs: [OutputPump] = []
  private var exit: ProcessExit?
  private var failure: SpawnError?
  private var signalsBeforeStart: [Int32] = []
  /// Channels whose output the client stopped before the command had started.
  private var channelsStoppedBeforeStart: Set<UInt8> = []
  /// Whether the outputs are dropped because no client will read them.
  private var dropsOutputs = false
  /// Bytes of input that the command's pipe accepted, or that were dropped.
  private var inputTaken: UInt64 = 0
  /// Set if the job was abandoned. The launching thread reads it and then starts no process.
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
  /// The larger window for a command that reads its input, in bytes, and the largest part of the
  /// connection's window that it may be (1/4).
  private static let grownInputWindow = WireConstants.defaultWindow
  private static let inputPartOfConnection: UInt64 = 4
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
    request: RunRequest, surroundings: Surroundings, wasLaunched: @escaping () -> Void = {},
    didFinish: @escaping (CommandJob, CloseResult) -> Void
  ) {
    self.request = request
    self.surroundings = surroundings
    self.wasLaunched = wasLaunched
    self.didFinish = didFinish
    startedAt = surroundings.loop.now
    endedAt = startedAt
  }

  // MARK: Start

  /// Launches the command.
  ///
  /// - Parameter noInput: whether standard input is /dev/null instead of a pipe.
  func start(for outlet: Outlet, noInput: Bool) {
    self.outlet = outlet
    if !noInput {
      input = InputPump(
        didTake: { [unowned self] count in
          inputTaken += UInt64(count)
          guard let outlet = self.outlet else { return }
          growInputWindow(outlet)
          outlet.link.consume(outlet.stream, .stdin, count)
        },
        didBreak: { [unowned self] in sendStopSending() })
    }
    if let deadline = request.deadlineMS {
      deadlineTimer = loop.schedule(after: Self.nanoseconds(deadline)) { [unowned self] in
        end(.deadline)
      }
    }
    let launch = spawnRequest(noInput: noInput)
    // Free up to 2 MiB that the job does not need any more.
    (request.argv, request.shell, request.env) = (nil, nil, nil)
    loop.spawn(launch) { [self] result in
      wasLaunched()
      switch result {
      case .success(let child): didStart(child)
      case .failure(let error):
        failure = error
        perform(state.didFailToStart())
      }
    }
  }

  /// Enlarges the input window once the command has read a whole window: a larger one is faster
  /// over long round trips. A command that does not read never costs more than the first window.
  private func growInputWindow(_ outlet: Outlet) {
    guard inputTaken >= outlet.link.window(of: outlet.stream, .stdin) else { return }
    outlet.link.growWindow(
      of: outlet.stream, .stdin, to: Self.grownInputWindow, part: Self.inputPartOfConnection)
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
    if let outlet {
      connect(outlet)
    }
    for pump in outputs {
      if dropsOutputs { pump.discard() }
      if channelsStoppedBeforeStart.contains(pump.channel.rawValue) { pump.stop() }
    }
    perform(actions)
  }

  private func connect(_ outlet: Outlet) {
    // With `merge` standard error has no pipe, but its channel needs a FIN too.
    if request.merge == true { outlet.link.outbound(outlet.stream, .stderr).finish() }
    for pump in outputs { pump.attach(outlet.link.outbound(outlet.stream, pump.channel)) }
  }

  // MARK: From the client

  /// Handles DATA.
  func receive(_ chunk: Chunk, on channel: Channel) {
    if channel == .stdin, let input {
      input.receive(chunk)
    } else if let outlet {
      // A command does not read this channel. Grant the bytes again so that no credit is lost.
      outlet.link.consume(outlet.stream, channel, chunk.count)
    }
  }

  /// Handles the FIN of a channel.
  func finish(_ channel: Channel) {
    if channel == .stdin { input?.finish() }
  }

  /// Handles a CONTROL message.
  ///
  /// - Throws: `WireError` if the signal does not exist; the caller then resets the stream.
  func receive(_ message: ControlMessage) throws(WireError) {
    if let signal = message.signal {
      guard signal > 0, signal <= 64 else {
        throw WireError(.protocolError, "CONTROL: there is no signal \(signal)")
      }
      if let child, exit == nil {
        child.signal(signal)
      } else if child == nil, signalsBeforeStart.count < Self.maxSignalsBeforeStart {
        signalsBeforeStart.append(signal)
      }
    }
    if let number = message.stopSending {
      if child == nil { channelsStoppedBeforeStart.insert(number) }
      outputs.first { $0.channel.rawValue == number }?.stop()
    }
    if message.cancel == true { end(.canceled) }
  }

  // MARK: Attaching and detaching

  /// Attaches a new stream instead of the current one, and sends it the offset of each output at
  /// which it begins.
  func attach(_ newOutlet: Outlet, noInput: Bool) {
    outputs.forEach { $0.detach() }
    input?.detach()
    if let old = outlet {
      old.connection.release(
        old.stream, .canceled, reason: "another stream attached to this job")
    }
    outlet = newOutlet
    detachTimer?.cancel()
    var message = ControlMessage()
    message.opened = ControlMessage.Opened(attached: true, offsets: counts)
    newOutlet.link.control(newOutlet.stream, message)
    if let input { input.attach(hasEnded: noInput) } else if !noInput { sendStopSending() }
    connect(newOutlet)
  }

  /// Detaches the stream. Unless `keep` is set, ends the command and drops its output.
  func detach(keep: Bool, reason: CommandState.Reason = .disconnected) {
    outlet = nil
    input?.detach()
    outputs.forEach { $0.detach() }
    guard !keep else {
      detachTimer?.cancel()
      detachTimer = loop.schedule(after: surroundings.keepDetachedFor) { [unowned self] in
        end(.expired)
        abandon()
      }
      return outputs.forEach { $0.settle() }
    }
    // `end` comes first: dropping the outputs could finish the command, and its result needs the
    // reason.
    end(reason)
    abandon()
  }

  private func abandon() {
    dropsOutputs = true
    launchIsCanceled.isSet.store(true, ordering: .relaxed)
    outputs.forEach { $0.discard() }
  }

  /// Ends the command: SIGTERM to its tree, then SIGKILL after the grace.
  func end(_ reason: CommandState.Reason) {
    perform(state.end(reason))
  }

  /// Ends the command without a grace, and drops its output.
  func kill(_ reason: CommandState.Reason) {
    perform(state.kill(reason))
    abandon()
  }

  private func sendStopSending() {
    guard let outlet else { return }
    var message = ControlMessage()
    message.stopSending = Channel.stdin.rawValue
    outlet.link.control(outlet.stream, message)
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
    self.result = result
    child?.onExit = nil
    child?.release()
    input?.stop()
    if let outlet { outlet.connection.commandDidFinish(outlet.stream, result) }
    outlet = nil
    didFinish(self, result)
    whenFinished?()
    whenFinished = nil
  }

  private var counts: [String: UInt64] {
    // With `merge` channel 2 has no pipe, and its count is 0.
    var counts: [String: UInt64] = ["1": 0, "2": 0]
    for pump in outputs { counts["\(pump.channel.rawValue)"] = pump.count }
    return counts
  }

  private func makeResult() -> CloseResult {
    if let failure { return CloseResult(failure) }
    var result: CloseResult
    if let exit {
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
    case .outOfReach: outlet != nil || request.job != nil
    case .unknown: loop.killScope == .cgroup
    }
  }

  private var limits: CloseResult.CommandLimits {
    CloseResult.CommandLimits(
      deadlineMS: request.deadlineMS,
      keptMS: Int64(surroundings.keepDetachedFor / 1_000_000))
  }

  private static func nanoseconds(_ milliseconds: Int64) -> UInt64 {
    UInt64(milliseconds) * 1_000_000
  }
}
