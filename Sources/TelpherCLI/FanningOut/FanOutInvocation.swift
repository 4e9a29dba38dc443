internal import Glibc
internal import TelpherClient
internal import TelpherHosts

/// Does the work of `on HOSTS`: finds the hosts, runs the command or copies files, and reports how it
/// went.
struct FanOutInvocation {
  /// What is done on each host.
  enum Job {
    case command(RunSettings)
    case transfer(FileTransfer.Direction, paths: [String], isRecursive: Bool)
  }

  let fanOut: FanOutSettings
  let server: ServerSettings
  let job: Job
  private let environment = Environment.current()

  init(_ fanOut: FanOutSettings, server: ServerSettings, job: Job) {
    (self.fanOut, self.server, self.job) = (fanOut, server, job)
  }

  /// Runs it.
  ///
  /// - Returns: the status for this process to end with.
  /// - Throws: `Failure` if it can't begin, or if a result can't be written.
  func run() async throws(Failure) -> Int32 {
    do { return try await perform() } catch { throw Failure(error) }
  }

  private func perform() async throws -> Int32 {
    let targets = try HostSelection(settings: fanOut, environment: environment).targets()
    let names = targets.map(\.name)
    let reach = try HostReach(targets, server, environment: environment)
    var limits = fanOut.limits
    limits.width = DescriptorBudget.width(min(limits.width, targets.count))
    let needsPrograms = targets.indices.contains(where: reach.usesCarrier)
    let loop = try CurrentBackend.require().makeClientLoop(startsPrograms: needsPrograms)
    let printer = FanOutPrinter(
      names, usesTerminal: fanOut.style != .records, environment: environment)
    let parts = try parts(names, printer)
    let engine = FanOutEngine(
      limits, reach: reach, work: parts.work, grace: parts.grace, on: loop)
    let signals = FanOutSignals.watch(engine)
    if let input = parts.input {
      Task {
        do { try await input.readAll() } catch { await engine.stop(Failure(error)) }
      }
    }
    let display = Task { await FanOutStatus(engine, printer).showUntilCanceled() }
    await engine.run()
    display.cancel()
    await printer.show("")
    await parts.output?.printFolds()
    let plan = await engine.plan
    var failure = await engine.failure
    if failure == nil { failure = await parts.output?.failure }
    return report(plan, names, failure, signals.received, parts.transfer)
  }

  /// What one job needs.
  private struct Parts {
    var work: any HostWork
    var grace: Duration
    var input: BroadcastInput?
    var output: FanOutOutput?
    var transfer: TransferWork?
  }

  private func parts(_ names: [NodeName], _ printer: FanOutPrinter) throws(Failure) -> Parts {
    switch job {
    case .command(let settings):
      let output = FanOutOutput(names, fanOut.style, printer, environment: environment)
      let input =
        settings.forwardsInput ? try BroadcastInput(environment: environment) : nil
      return Parts(
        work: CommandWork(command: settings.command, input: input, output: output),
        grace: settings.grace ?? Self.defaultGrace, input: input, output: output)
    case .transfer(let direction, let paths, let isRecursive):
      let bytes = paths.map { PathText(ArgumentText.bytes(of: $0)) }
      let work = TransferWork(
        direction: direction, sources: Array(bytes.dropLast()), destination: bytes[bytes.count - 1],
        isRecursive: isRecursive, printsRecords: fanOut.style == .records, names: names,
        printer: printer)
      return Parts(work: work, grace: Self.defaultGrace, transfer: work)
    }
  }

  /// The default grace of a server.
  private static let defaultGrace = Duration.seconds(2)

  private func report(
    _ plan: FanOut, _ names: [NodeName], _ failure: Failure?, _ signal: Int32?,
    _ transfer: TransferWork?
  ) -> Int32 {
    if let failure, failure.isSilent { return failure.status }
    if fanOut.style != .records {
      if let transfer {
        let done = plan.folded(names) { if case .done(let r) = $0 { r.status == 0 } else { false } }
        try? Descriptor.error.write(
          "\(transfer.summary); complete: \(done ?? "no host")\n")
      }
      plan.failures(names).forEach(Descriptor.complain)
    }
    switch plan.stop {
    case .interrupted where failure == nil:
      let done = plan.folded(names) { if case .done = $0 { true } else { false } }
      Descriptor.complain("interrupted; ended before: \(done ?? "no host")")
    case .failed: Descriptor.complain("stopped at the first failure (--first-failure)")
    case .canaryFailed:
      Descriptor.complain("the other hosts were not started, because a canary failed (--canary)")
    case .interrupted, nil: break
    }
    if let failure {
      Descriptor.complain(failure.message)
      return failure.status
    }
    if let signal { return ExitStatus.signalBase + signal }
    return plan.exitStatus(
      largest: fanOut.largest || transfer != nil, FanOut.Statuses(failure: ExitStatus.failure))
  }
}

/// How many hosts can be connected at once with the descriptors that this process may open.
enum DescriptorBudget {
  /// What one host needs: a program that carries the connection has two pipes, one for its messages
  /// and a pidfd, and their other ends while it is started; a transfer has a file and folders.
  private static let perHost = 10
  /// What the process needs itself: standard streams, the loop, temporary files, libraries.
  private static let own = 32

  /// The largest width up to `wanted` that is possible. It raises the soft limit if that helps, and
  /// says if the width is smaller than wanted.
  static func width(_ wanted: Int) -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return wanted }
    let needed = rlim_t(wanted * perHost + own)
    if limit.rlim_cur < needed, limit.rlim_cur < limit.rlim_max {
      var raised = limit
      raised.rlim_cur = min(needed, limit.rlim_max)
      if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
    }
    guard limit.rlim_cur < needed else { return wanted }
    let possible = max(1, (Int(clamping: limit.rlim_cur) - own) / perHost)
    guard possible < wanted else { return wanted }
    Descriptor.complain(
      "at most \(Amount.count(possible, "host")) at once instead of \(wanted): this process may open only \(limit.rlim_cur) descriptors (ulimit -n)"
    )
    return possible
  }
}

/// Watches the signals that end a fan-out. The first cancels the work on all hosts; the second ends
/// the process, and the servers then end what runs.
final class FanOutSignals: Sendable {
  private let first = Monitor<Int32?>(nil)

  /// The first signal; nil if none has come.
  var received: Int32? { first.withLock { $0 } }

  /// Watches the signals from now on until the process ends.
  static func watch(_ engine: FanOutEngine) -> FanOutSignals {
    let signals = FanOutSignals()
    let loop = engine.loop
    loop.execute {
      let requests = EndRequests()
      // Signals that are ignored stay so, as under nohup(1). The loop keeps the watches until the
      // process ends.
      for number in ForwardedSignals.ending where !ForwardedSignals.isIgnored(number) {
        _ = try? loop.watch(signal: number) {
          switch requests.receive(number, at: loop.now) {
          case .pass:
            signals.first.withLock { $0 = number }
            engine.assumeIsolated { $0.stop() }
          case .drop: break
          case .giveUp:
            Descriptor.complain(
              "ended by a second signal; the servers end what runs, and its results are unknown")
            _exit(ExitStatus.signalBase + number)
          }
        }
      }
    }
    return signals
  }
}

/// The live line of a fan-out on a terminal: `12/40 done  3 running  1 failed  0:12 left`.
struct FanOutStatus {
  private let engine: FanOutEngine
  private let printer: FanOutPrinter
  private let start = ContinuousClock.now
  /// The time between two updates.
  private static let interval = Duration.milliseconds(200)

  init(_ engine: FanOutEngine, _ printer: FanOutPrinter) {
    self.engine = engine
    self.printer = printer
  }

  /// Shows the line until the task is canceled.
  func showUntilCanceled() async {
    guard await printer.hasTerminal else { return }
    while !Task.isCancelled {
      let plan = await engine.plan
      await printer.show(Self.text(plan, seconds: (ContinuousClock.now - start) / .seconds(1)))
      try? await Task.sleep(for: Self.interval)
    }
  }

  /// The line after `seconds`. The time left is an estimate from the rate so far; it is missing until
  /// a host has ended.
  static func text(_ plan: FanOut, seconds: Double) -> String {
    let count = plan.states.count
    var parts = ["\(plan.settled)/\(count) done", "\(plan.active) running"]
    if plan.failed > 0 { parts.append("\(plan.failed) failed") }
    if plan.stop != nil {
      parts.append("stopping")
    } else if plan.settled > 0, plan.settled < count {
      let left = seconds / Double(plan.settled) * Double(count - plan.settled)
      parts.append("\(Amount.clock(left)) left")
    }
    return parts.joined(separator: "  ")
  }
}
