internal import Synchronization
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// One command: its process, its streams, its timers and its end. It belongs to a loop, not to a
/// connection: a stream is attached to it and may be lost, replaced, or never come back.
final class CommandJob {
  /// Where a command's output and result go.
  struct Outlet {
    let connection: ServerConnection
    let stream: StreamID
    var link: Link { connection.link }
  }

  /// What a job has of the server around it.
  struct Surroundings {
    let loop: any EventLoop
    /// The environment that the command's own is added to.
    let environment: [SystemString: SystemString]
    /// Takes outputs that are still held by others after the drain.
    let heldOutputs: HeldOutputs
    /// How long a kept job goes on without a stream, in nanoseconds.
    let keepDetachedFor: UInt64
  }

  /// What the client asked for; without its arguments and environment once it was launched.
  private(set) var request: RunRequest
  /// Called once the result is known, for a connection that has let go of the job.
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
  private var earlySignals: [Int32] = []
  /// Outputs that were not wanted before the command had started.
  private var earlyStops: Set<UInt8> = []
  /// Nobody will take the outputs.
  private var isAbandoned = false
  /// Bytes of input that the command took, or that were dropped.
  private var inputTaken: UInt64 = 0
  /// Read on the thread that launches: a command that was given up before is not started.
  private let isGivenUp = Flag()
  private let startedAt: UInt64
  private var endedAt: UInt64
  private var deadlineTimer: (any LoopTimer)?
  private var phaseTimer: (any LoopTimer)?
  private var treeTimer: (any LoopTimer)?
  private var detachTimer: (any LoopTimer)?

  /// How often a tree that was asked to end is looked at.
  private static let treeInterval: UInt64 = 20_000_000
  /// The drain after SIGKILL: whoever still holds an output then is out of reach.
  private static let shortDrain: UInt64 = 500_000_000
  /// The credit for a command that reads its input, in bytes, and the part of the connection's that it
  /// is at most.
  private static let grownInputWindow = WireConstants.defaultWindow
  private static let inputPartOfConnection: UInt64 = 4
  /// How long a process is waited for after that drain if it has not exited. It dies of SIGKILL in much
  /// less, unless it hangs in the kernel (a dead network file system) or belongs to another user.
  private static let lastWait: UInt64 = 5_000_000_000
  /// Signals kept for a command that is still being launched.
  private static let maxEarlySignals = 16

  /// - Parameters:
  ///   - wasLaunched: called once, when the command has started or could not be.
  ///   - didFinish: told once, when the result is known.
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

  /// Launches the command, with a pipe for its input unless there is none.
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
    // Up to 2 MiB, which a command that runs for long need not hold.
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

  /// A command that has read a whole window will read on, and a larger one serves it better on a long
  /// way. One that does not read never costs more than the first.
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
          preconditionFailure("the wire refuses limits of unknown names")
        }
        return ResourceLimit(kind, value)
      })
    spawn.isCanceled = { [isGivenUp] in isGivenUp.isSet.load(ordering: .relaxed) }
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
    earlySignals.forEach { child.signal($0) }
    earlySignals = []
    if let outlet {
      connect(outlet)
    }
    for pump in outputs {
      if isAbandoned { pump.discard() }
      if earlyStops.contains(pump.channel.rawValue) { pump.stop() }
    }
    perform(actions)
  }

  private func connect(_ outlet: Outlet) {
    // It has no pipe of its own, and every output ends with a FIN.
    if request.merge == true { outlet.link.outbound(outlet.stream, .stderr).finish() }
    for pump in outputs { pump.attach(outlet.link.outbound(outlet.stream, pump.channel)) }
  }

  // MARK: What the client says

  /// Bytes for standard input.
  func receive(_ chunk: Chunk, on channel: Channel) {
    if channel == .stdin, let input {
      input.receive(chunk)
    } else if let outlet {
      // Nobody reads this channel of a command; its credit is not to be lost.
      outlet.link.consume(outlet.stream, channel, chunk.count)
    }
  }

  /// The end of a channel.
  func finish(_ channel: Channel) {
    if channel == .stdin { input?.finish() }
  }

  /// A word about the command.
  ///
  /// - Throws: `WireError` where it can't be done; the stream is then reset.
  func receive(_ message: ControlMessage) throws(WireError) {
    if let signal = message.signal {
      guard signal > 0, signal <= 64 else {
        throw WireError(.protocolError, "CONTROL: there is no signal \(signal)")
      }
      if let child, exit == nil {
        child.signal(signal)
      } else if child == nil, earlySignals.count < Self.maxEarlySignals {
        earlySignals.append(signal)
      }
    }
    if let number = message.stopSending {
      if child == nil { earlyStops.insert(number) }
      outputs.first { $0.channel.rawValue == number }?.stop()
    }
    if message.cancel == true { end(.canceled) }
  }

  // MARK: Streams that come and go

  /// Takes up with a new stream, which learns at which offset of each output it joins.
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

  /// The stream is gone. A command that was not asked to stay is ended, its output dropped.
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
    // The state first: the end of the outputs must not look like the command's own.
    end(reason)
    abandon()
  }

  private func abandon() {
    isAbandoned = true
    isGivenUp.isSet.store(true, ordering: .relaxed)
    outputs.forEach { $0.discard() }
  }

  /// Ends the command: SIGTERM to its tree, the grace, SIGKILL.
  func end(_ reason: CommandState.Reason) {
    perform(state.end(reason))
  }

  /// Ends the command without a grace, and without waiting for who might take its output.
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

  // MARK: The end

  private func perform(_ actions: CommandState.Actions) {
    if actions.contains(.terminate) {
      child?.signalTree(15)
      // A stopped process would not notice.
      child?.signalTree(18)
      startTimer(Self.nanoseconds(request.graceMS ?? RunRequest.defaultGraceMS)) { job in
        job.perform(job.state.graceDidExpire())
      }
    }
    if actions.contains(.kill) { child?.signalTree(9) }
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
    // Who was forked since, or was missed.
    if state.phase == .killed { child.signalTree(9) }
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
    // With `merge` the error channel has no pipe, and no bytes.
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

  /// Whether it is worth the price to look for processes that are left: without a control group that
  /// is a walk through all processes, dearer than most commands.
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
