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

  /// Does it.
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

  /// The grace of a server that is not told another one.
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
