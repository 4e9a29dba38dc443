/// Decides what is done on which host and when, without doing it.
///
///     waiting --start--> connecting --didConnect--> running --didEnd--> done
///        |                   |                         |
///        v                   v                         v
///     notStarted        unreachable, canceled     lost, canceled
///
/// The caller does what the actions say and reports what happens. Each host ends in exactly one
/// settled state. After `.finish` no action comes any more.
package struct FanOut: Sendable {
  /// What the caller is to do.
  package enum Action: Equatable, Sendable {
    /// Connect to the host and do the work; report `didConnect` and `didEnd`.
    case start(Int)
    /// End the work or the attempt to connect; report `didEnd` when that is done.
    case cancel(Int)
    /// Every host has a settled state.
    case finish
  }

  /// Why hosts are not started any more.
  package enum Stop: Equatable, Sendable {
    /// The user has asked for it.
    case interrupted
    /// A host failed, and the first failure was to stop all.
    case failed
    /// One of the first hosts failed, which were to show that the rest may be done.
    case canaryFailed
  }

  /// How hosts are chosen.
  package struct Limits: Equatable, Sendable {
    /// The most hosts that are connecting or running at once; at least 1.
    package var width: Int
    /// How many hosts must succeed before the others are started; 0 for none.
    package var canaries: Int
    /// Whether the first failure stops all.
    package var stopsAtFailure: Bool

    /// Limits.
    package init(width: Int, canaries: Int = 0, stopsAtFailure: Bool = false) {
      self.width = max(1, width)
      self.canaries = max(0, canaries)
      self.stopsAtFailure = stopsAtFailure
    }
  }

  /// The state of each host by its index.
  package private(set) var states: [HostState]
  /// Why no further host is started; nil if all are.
  package private(set) var stop: Stop?
  /// How many hosts are connecting or running.
  package private(set) var active = 0
  /// How many hosts are settled.
  package private(set) var settled = 0
  /// How many hosts have failed.
  package private(set) var failed = 0

  private let limits: Limits
  /// The first host that may not have been started.
  private var next = 0
  private var hasFinished = false

  /// A plan for `count` hosts.
  package init(count: Int, limits: Limits) {
    states = Array(repeating: .waiting, count: count)
    self.limits = limits
  }

  /// Starts the first hosts. Called once.
  package mutating func start() -> [Action] { proceed() }

  /// A host is connected.
  package mutating func didConnect(_ host: Int) {
    switch states[host] {
    case .connecting: states[host] = .running
    case .running: preconditionFailure("a host connects once")
    case .waiting: preconditionFailure("only started hosts connect")
    // The host was given up in the meantime.
    case .done, .unreachable, .lost, .canceled, .notStarted: break
    }
  }

  /// A host has ended. A host that has been given up keeps its state.
  ///
  /// - Parameter state: a settled state.
  package mutating func didEnd(_ host: Int, _ state: HostState) -> [Action] {
    precondition(state.isSettled, "a host ends in a settled state")
    switch states[host] {
    case .connecting, .running: break
    case .waiting: preconditionFailure("only started hosts end")
    case .done, .unreachable, .lost, .canceled, .notStarted: return []
    }
    states[host] = state
    active -= 1
    settled += 1
    guard state.isFailure else { return proceed() }
    failed += 1
    if stop == nil, limits.stopsAtFailure { return stop(.failed) }
    if stop == nil, host < limits.canaries, limits.canaries < states.count {
      return stop(.canaryFailed)
    }
    return proceed()
  }

  /// Stops: no further host is started. After a failed canary the others of the first hosts go on;
  /// otherwise all that is under way is canceled.
  package mutating func stop(_ reason: Stop) -> [Action] {
    let before = stop
    guard before == nil || (before == .canaryFailed && reason == .interrupted) else { return [] }
    stop = reason
    var actions: [Action] = []
    for host in states.indices {
      switch states[host] {
      case .waiting where reason != .canaryFailed || host >= limits.canaries:
        states[host] = .notStarted
        settled += 1
      case .connecting where reason != .canaryFailed, .running where reason != .canaryFailed:
        actions.append(.cancel(host))
      case .waiting, .connecting, .running, .done, .unreachable, .lost, .canceled, .notStarted:
        break
      }
    }
    return actions + proceed()
  }

  /// Settles a host that was canceled and does not end.
  package mutating func giveUp(_ host: Int, _ reason: String) -> [Action] {
    switch states[host] {
    case .connecting: didEnd(host, .canceled)
    case .running: didEnd(host, .lost(reason))
    case .waiting, .done, .unreachable, .lost, .canceled, .notStarted: []
    }
  }

  private mutating func proceed() -> [Action] {
    var actions: [Action] = []
    while active < limits.width, next < states.count, mayStart(next) {
      if states[next] == .waiting {
        states[next] = .connecting
        active += 1
        actions.append(.start(next))
      }
      next += 1
    }
    if settled == states.count, !hasFinished {
      hasFinished = true
      actions.append(.finish)
    }
    return actions
  }

  /// Whether a host may be started as far as the first ones are concerned.
  private func mayStart(_ host: Int) -> Bool {
    guard host >= limits.canaries else { return true }
    return settled >= min(limits.canaries, states.count)
  }
}
