internal import TelpherAccess
internal import TelpherCommand
internal import TelpherTransport
internal import TelpherWire

/// One command: it owns the process and its pipes, and performs what `OutletState` decides. The
/// server's `JobTable` owns the job; connections do not: an outlet may be lost, and another one may
/// attach later. Use it only on its loop's thread.
final class CommandJob: CommandProcessDelegate, OutputPumpDelegate {
  /// What a job needs from its server.
  struct Surroundings {
    let loop: any EventLoop
    /// Launches the commands of all connections in turn.
    let launches: LaunchLine
    /// The environment that commands start with; the request's variables are added to it.
    let environment: LaunchEnvironment
    /// Reads outputs that background processes still hold after the drain.
    let heldOutputs: HeldOutputs
    /// Ends what commands with `end_left_behind` leave behind.
    let leftBehind: LeftBehind
    /// How long a job runs without a stream before it is ended, in nanoseconds.
    let keepDetachedFor: UInt64
  }

  /// Its id in the server's table.
  let id: JobID
  /// The client's request; `start` removes its arguments and environment.
  private var request: RunRequest
  /// The limits that it runs with.
  private let resourceLimits: [ResourceLimit]
  /// The terms of its client's request; nil if no other stream can attach to it.
  let terms: JobTerms?
  /// What other threads may know of it.
  let view: CommandView
  private let surroundings: Surroundings
  private var loop: any EventLoop { surroundings.loop }
  private let wasLaunched: () -> Void
  private let didFinish: (CommandJob, CloseResult) -> Void

  private let process: CommandProcess
  private var outlets = OutletState()
  private var input: InputPump?
  private var outputs: [OutputPump] = []
  /// Channels whose output the client stopped before the command had started.
  private var channelsStoppedBeforeStart: Set<UInt8> = []
  /// The last size of the terminal that the client sent before the command had started.
  private var sizeBeforeStart: TerminalSize?
  /// Bytes of input that the command's pipe accepted, or that were dropped.
  private var inputTaken: UInt64 = 0
  private let startedAt: UInt64
  private var endedAt: UInt64
  private var deadlineTimer: (any LoopTimer)?
  private var detachTimer: (any LoopTimer)?

  /// - Parameters:
  ///   - limits: the limits that it gets, whatever the request asks for.
  ///   - client: the peer that started it.
  ///   - owner: the identity of that client.
  ///   - wasLaunched: called once, when the command has started or has failed to start.
  ///   - didFinish: called once, when the result is known.
  init(
    id: JobID, request: RunRequest, limits: [ResourceLimit] = [],
    client: PeerIdentity = .inherited, owner: Identity = .owner, surroundings: Surroundings,
    wasLaunched: @escaping () -> Void = {},
    didFinish: @escaping (CommandJob, CloseResult) -> Void
  ) {
    self.id = id
    self.request = request
    resourceLimits = limits
    terms = request.terms(with: limits.byName)
    self.surroundings = surroundings
    self.wasLaunched = wasLaunched
    self.didFinish = didFinish
    startedAt = surroundings.loop.now
    endedAt = startedAt
    view = CommandView(
      id: id, client: client, owner: owner, request: request, startedAt: startedAt)
    let drain = request.drainMS ?? RunRequest.defaultDrainMS
    process = CommandProcess(
      on: surroundings.loop,
      CommandProcess.Times(
        grace: Self.nanoseconds(request.graceMS ?? RunRequest.defaultGraceMS),
        drain: drain < 0 ? nil : Self.nanoseconds(drain)))
    process.delegate = self
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
    if !noInput || hasTerminal {
      input = InputPump(
        didTake: { [unowned self] count in
          inputTaken += UInt64(count)
          outlets.current?.jobDidTakeInput(count, total: inputTaken)
        },
        didBreak: { [unowned self] in outlets.current?.jobDidEndInput() })
      if noInput { input?.finish() }
    }
    if let deadline = request.deadlineMS {
      deadlineTimer = loop.schedule(after: Self.nanoseconds(deadline)) { [unowned self] in
        end(.deadline)
      }
    }
    let spawn = spawnRequest(noInput: noInput)
    // Free up to 2 MiB that the job does not need any more.
    (request.argv, request.shell, request.env) = (nil, nil, nil)
    let (launches, wasLaunched) = (surroundings.launches, wasLaunched)
    process.launch(spawn) { request, completion in
      let launch = launches.add(request, for: owner) { result in
        wasLaunched()
        completion(result)
      }
      return {
        guard launches.cancel(launch) else { return false }
        wasLaunched()
        return true
      }
    }
  }

  /// Whether the command runs on a terminal.
  private var hasTerminal: Bool { request.terminal != nil }

  private func spawnRequest(noInput: Bool) -> SpawnRequest {
    var spawn = SpawnRequest(
      arguments: request.arguments,
      environment: request.environment(from: surroundings.environment),
      directory: request.cwd.map { SystemString($0.bytes) },
      input: noInput ? .null : .pipe,
      error: request.merge == true ? .sameAsOutput : .pipe,
      limits: resourceLimits)
    spawn.loginShell = request.loginShell
    spawn.terminal = (request.terminal?.size).map { TerminalSize($0) }
    return spawn
  }

  // MARK: CommandProcessDelegate

  func processDidStart(_ child: any ChildProcess) {
    let state: CommandRecord.State = process.isEnding ? .ending : .running
    view.update { $0 = CommandView.Moment(state: state, pid: child.pid) }
    if let size = sizeBeforeStart { child.resizeTerminal(to: size) }
    outputs.reserveCapacity(2)
    if let pipe = child.output {
      outputs.append(OutputPump(channel: .stdout, pipe: pipe, delegate: self))
    }
    if let pipe = child.error {
      outputs.append(OutputPump(channel: .stderr, pipe: pipe, delegate: self))
    }
    input?.start(child.input)
    if let outlet = outlets.current { connect(outlet) }
    for pump in outputs {
      if outlets.isDropped { pump.discard() }
      if channelsStoppedBeforeStart.contains(pump.channel.rawValue) { pump.stop() }
    }
    if outlets.isDropped { hangUp() }
  }

  func processWillEnd(_ exit: ProcessExit) {
    endedAt = loop.now
    view.update { if $0.state == .running { $0.state = .draining } }
    if request.drainMS != -1 && process.isRunning { deadlineTimer?.cancel() }
    input?.stop()
  }

  func processNeedsLastOutput() { outputs.forEach { $0.takeLastOutput() } }

  func processDidFinish() {
    deadlineTimer?.cancel()
    detachTimer?.cancel()
    let result = makeResult()
    if request.endsLeftBehind == true, let (child, grace) = process.takeLeftBehind() {
      let deadline = startedAt + Self.nanoseconds(request.deadlineMS ?? 0)
      surroundings.leftBehind.keep(child, until: deadline, grace: grace)
    }
    view.update { $0.pid = nil }
    input?.stop()
    for outlet in outlets.finish() { outlet.jobDidLeave(.finished(result)) }
    didFinish(self, result)
  }

  // MARK: OutputPumpDelegate

  func outputWasHeld(_ pipe: any ByteStream) { surroundings.heldOutputs.take(pipe) }

  func outputDidEnd() { process.outputDidEnd() }

  // MARK: Outlets

  private func connect(_ outlet: any JobOutlet) {
    // With `merge` or a terminal standard error has no pipe, but its channel needs a FIN too.
    if request.merge == true || hasTerminal { outlet.open(.stderr).finish() }
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

  /// Forgets the bytes of input that the command has not taken, and continues with the input of
  /// another stream.
  ///
  /// - Parameter hasEnded: whether that stream sends no input.
  func replaceInput(hasEnded: Bool) {
    input?.detach()
    input?.attach(hasEnded: hasEnded)
  }

  /// The command's process id while it runs.
  var pid: Int32? { process.exit == nil ? process.child?.pid : nil }

  /// Handles a control message. The stream handles `detach`.
  ///
  /// - Throws: `WireError` if the signal does not exist; the caller then resets the stream.
  func receive(_ message: ControlMessage) throws(WireError) {
    switch message {
    case .signal(let signal):
      guard WireConstants.signals.contains(signal) else {
        throw WireError(.protocolError, "CONTROL: there is no signal \(signal)")
      }
      process.signal(signal)
    case .stopSending(let number):
      if process.child == nil { channelsStoppedBeforeStart.insert(number) }
      outputs.first { $0.channel.rawValue == number }?.stop()
      if number == Channel.stdout.rawValue { hangUp() }
    case .resize(let size): resize(to: TerminalSize(size))
    case .cancel: end(.canceled)
    case .detach, .digest, .restart, .opened, .accepted, .taken: break
    }
  }

  /// A command without a terminal ignores it.
  private func resize(to size: TerminalSize) {
    if let child = process.child {
      child.resizeTerminal(to: size)
    } else {
      sizeBeforeStart = size
    }
  }

  /// Lets go of a terminal whose output was closed: the kernel then sends SIGHUP, as if the user had
  /// closed its window.
  private func hangUp() {
    if hasTerminal { input?.stop() }
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
    hangUp()
  }

  /// Ends the command, before its launch or by SIGTERM to its tree, and SIGKILL after the grace.
  func end(_ reason: CommandState.Reason) {
    noteEnding()
    process.end(reason)
  }

  private func noteEnding() {
    view.update { if $0.pid != nil { $0.state = .ending } }
  }

  /// Sends a signal to all processes of the command; if it has not started, to its first process
  /// once it has.
  func signalTree(_ signal: Int32) {
    if let child = process.child { child.signalTree(signal) } else { process.signal(signal) }
  }

  /// Ends the command without a grace, and drops its output.
  func kill(_ reason: CommandState.Reason) {
    outlets.drop()
    noteEnding()
    process.kill(reason)
    dropOutputs()
  }

  // MARK: The result

  /// The bytes of both outputs until now, by channel number.
  var counts: [String: UInt64] {
    // With `merge` or a terminal channel 2 has no pipe, and its count is 0.
    var counts: [String: UInt64] = ["1": 0, "2": 0]
    for pump in outputs { counts["\(pump.channel.rawValue)"] = pump.count }
    return counts
  }

  private func makeResult() -> CloseResult {
    var result: CloseResult
    if process.child == nil, let reason = process.reason {
      result = CloseResult(neverStartedFor: reason, limits: limits)
      endedAt = loop.now
    } else if let failure = process.failure {
      return CloseResult(failure)
    } else if let exit = process.exit {
      result = CloseResult(
        exit, endedFor: process.reason, limits: limits, group: process.child?.groupUsage)
    } else if let reason = process.reason {
      result = CloseResult(unendedFor: reason, limits: limits)
      endedAt = loop.now
    } else {
      preconditionFailure("only a command that was ended finishes without its exit")
    }
    result.bytes = counts
    result.wallMS = Double(endedAt - startedAt) / 1_000_000
    if outputs.contains(where: \.wasHeld) { result.pipeHeld = true }
    // A complete search takes long. Without an outlet or a name no client gets this result, so a
    // quick one is enough.
    if process.hasSurvivors(isThorough: outlets.current != nil || isNamed) {
      result.survivors = true
    }
    return result
  }

  private var limits: CloseResult.CommandLimits {
    CloseResult.CommandLimits(
      deadlineMS: request.deadlineMS, keptMS: Int64(surroundings.keepDetachedFor / 1_000_000),
      resources: resourceLimits)
  }

  private static func nanoseconds(_ milliseconds: Int64) -> UInt64 {
    UInt64(milliseconds) * 1_000_000
  }
}
