internal import TelpherClient
internal import TelpherHosts

/// What is done on each host.
protocol HostWork: Sendable {
  /// Does the work on a connection. If the task is canceled, ends it and throws
  /// `CancellationError`.
  ///
  /// - Parameter host: the index of the host.
  /// - Returns: how it ended, as a settled state.
  /// - Throws: `CancellationError`; `Failure`, `ClientError` or `FileError` if it did not end here.
  func perform(_ host: Int, on connection: Connection) async throws -> HostState
  /// Reports how a host ended. It is called once for each host, also for those that were not started.
  func didSettle(_ host: Int, _ state: HostState) async
}

/// Does the work on all hosts as `FanOut` decides, on one loop.
actor FanOutEngine {
  /// The loop of all connections.
  nonisolated let loop: any EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// The states of the hosts.
  private(set) var plan: FanOut
  /// Why this side stopped the fan-out; nil if it did not.
  private(set) var failure: Failure?
  private let reach: HostReach
  private let work: any HostWork
  private var tasks: [Int: Task<Void, Never>] = [:]
  /// The hosts whose end was passed to `work`.
  private var reported: Set<Int> = []
  private let (ends, end) = AsyncStream.makeStream(of: Void.self)

  /// How long a host may take to end its work after it was canceled, beyond the grace that its
  /// command has: a round trip and the end of many processes.
  private static let cancelPatience = Duration.seconds(10)
  /// The grace that the work has after a cancel.
  private let grace: Duration

  /// An engine for the hosts of `reach`.
  init(
    _ limits: FanOut.Limits, reach: HostReach, work: any HostWork, grace: Duration,
    on loop: any EventLoop
  ) {
    self.loop = loop
    self.reach = reach
    self.work = work
    self.grace = grace
    plan = FanOut(count: reach.targets.count, limits: limits)
  }

  /// Does the work on all hosts and returns when each has a settled state.
  func run() async {
    perform(plan.start())
    for await _ in ends {}
    for host in plan.states.indices where reported.insert(host).inserted {
      await work.didSettle(host, plan.states[host])
    }
  }

  /// Starts no further host and cancels those under way.
  ///
  /// - Parameter failure: what this side could not do, if that is the reason.
  func stop(_ failure: Failure? = nil) {
    self.failure = self.failure ?? failure
    perform(plan.stop(.interrupted))
  }

  private func perform(_ actions: [FanOut.Action]) {
    for action in actions {
      switch action {
      case .start(let host): begin(host)
      case .cancel(let host): cancel(host)
      case .finish: end.finish()
      }
    }
  }

  private func begin(_ host: Int) {
    tasks[host] = Task(executorPreference: loop) { [self] in await follow(host) }
  }

  private func follow(_ host: Int) async {
    let state = await outcome(of: host)
    tasks[host] = nil
    // It may have been given up.
    guard !plan.states[host].isSettled else { return }
    reported.insert(host)
    await work.didSettle(host, state)
    perform(plan.didEnd(host, state))
  }

  private func outcome(of host: Int) async -> HostState {
    let connection: Connection
    do {
      connection = try await reach.connect(host, on: loop)
    } catch is CancellationError {
      return .canceled
    } catch {
      let failure = Failure(error)
      return plan.stop != nil && failure.kind == "interrupted"
        ? .canceled : .unreachable(failure.message)
    }
    plan.didConnect(host)
    if Task.isCancelled { return .canceled }
    do {
      return try await work.perform(host, on: connection)
    } catch is CancellationError {
      return .canceled
    } catch let error as ClientError where error.code == .refused || error.code == .limit {
      return .unreachable("refused: \(error.message)")
    } catch let error as ClientError {
      return .lost(error.message)
    } catch let error as FileError {
      return .lost(error.message)
    } catch {
      let failure = Failure(error)
      if failure.stopsAll { stop(failure) }
      return .lost(failure.message)
    }
  }

  private func cancel(_ host: Int) {
    let isConnecting = plan.states[host] == .connecting
    tasks[host]?.cancel()
    // A connecting socket can't be canceled, and there is no process to end.
    if isConnecting, !reach.usesCarrier(host) { return perform(plan.giveUp(host, "")) }
    let patience = grace + Self.cancelPatience
    _ = loop.schedule(after: UInt64(patience / .nanoseconds(1))) { [self] in
      assumeIsolated { engine in
        guard !engine.reported.contains(host) else { return }
        let seconds = patience.wholeMilliseconds / 1_000
        engine.perform(
          engine.plan.giveUp(
            host, "it did not answer within \(seconds) s after it was canceled"))
      }
    }
  }
}

extension Failure {
  /// Whether the failure is on this side, so that it is the same for every host.
  fileprivate var stopsAll: Bool { kind != "output_limit" }
}
