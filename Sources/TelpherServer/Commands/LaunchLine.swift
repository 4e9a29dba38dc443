internal import DequeModule
internal import TelpherTransport

/// The launches of one loop that wait for a thread. Connections take turns, so a client that starts
/// many commands at once does not delay the commands of others. Use it only on its loop's thread.
///
/// Launches begin at the end of the loop's turn. If the connection turns out to be lost or invalid
/// while the rest of what it sent is read, its commands never start.
final class LaunchLine: TurnEndTask {
  /// The most launches that the loop performs at once: the loop of `telpher` has as many threads for
  /// them. More would wait there instead, in the order of their arrival.
  static let limit = 4
  /// The most launches of one connection that the loop performs at once. One thread is left for the
  /// other connections, also while launches hang: a working directory may be on a dead network file
  /// system.
  static let limitPerConnection = 3

  /// One launch.
  final class Launch {
    /// The states of a launch.
    fileprivate enum State {
      /// It waits for its turn. Next: `underWay`, `done` (canceled).
      case waiting(SpawnRequest, (Result<any ChildProcess, SpawnError>) -> Void)
      /// The loop performs it. Next: `done`.
      case underWay
      /// It is over. Final.
      case done
    }

    fileprivate var state: State
    fileprivate let owner: ObjectIdentifier

    fileprivate init(_ state: State, of owner: ObjectIdentifier) {
      self.state = state
      self.owner = owner
    }
  }

  /// The launches of one connection.
  private struct Lane {
    /// The waiting launches in order, and canceled ones that were not removed yet.
    var waiting: Deque<Launch> = []
    var canceled = 0
    var underWay = 0
    /// Whether the connection is in `turns`.
    var hasTurn = false
  }

  private let loop: any EventLoop
  private var lanes: [ObjectIdentifier: Lane] = [:]
  /// The connections that may launch next, in order.
  private var turns: Deque<ObjectIdentifier> = []
  private var underWay = 0
  /// Whether the end of this turn of the loop launches.
  private var launchesAtEndOfTurn = false

  /// A line without launches.
  init(loop: any EventLoop) { self.loop = loop }

  /// Adds a launch to the line. `completion` is called once, unless `cancel` returns true, and
  /// never from within this call.
  ///
  /// - Parameter owner: the connection, which takes turns with the others.
  func add(
    _ request: SpawnRequest, for owner: ObjectIdentifier,
    completion: @escaping (Result<any ChildProcess, SpawnError>) -> Void
  ) -> Launch {
    let launch = Launch(.waiting(request, completion), of: owner)
    lanes[owner, default: Lane()].waiting.append(launch)
    takeTurnIfPossible(owner)
    if !launchesAtEndOfTurn {
      launchesAtEndOfTurn = true
      loop.atEndOfTurn(self)
    }
    return launch
  }

  func turnDidEnd() {
    launchesAtEndOfTurn = false
    launchNext()
  }

  /// Cancels a launch that still waits; its completion is not called.
  ///
  /// - Returns: whether it still waited.
  func cancel(_ launch: Launch) -> Bool {
    guard case .waiting = launch.state, var lane = lanes.removeValue(forKey: launch.owner) else {
      return false
    }
    launch.state = .done
    lane.canceled += 1
    // Removed in groups: a launch may be anywhere in the line.
    if lane.canceled * 2 > lane.waiting.count {
      lane.waiting.removeAll { $0.isDone }
      lane.canceled = 0
    }
    store(lane, of: launch.owner)
    return true
  }

  private func takeTurnIfPossible(_ owner: ObjectIdentifier) {
    guard var lane = lanes[owner], !lane.hasTurn, !lane.waiting.isEmpty,
      lane.underWay < Self.limitPerConnection
    else { return }
    lane.hasTurn = true
    lanes[owner] = lane
    turns.append(owner)
  }

  private func launchNext() {
    while underWay < Self.limit, let owner = turns.popFirst() {
      guard var lane = lanes.removeValue(forKey: owner) else {
        preconditionFailure("`store` keeps the lane of a connection that has a turn")
      }
      lane.hasTurn = false
      let next = takeFirst(&lane)
      if next != nil { lane.underWay += 1 }
      store(lane, of: owner)
      takeTurnIfPossible(owner)
      if let next { start(next) }
    }
  }

  /// Removes the first launch of a lane that is not canceled.
  private func takeFirst(_ lane: inout Lane) -> Launch? {
    while let first = lane.waiting.popFirst() {
      guard first.isDone else { return first }
      lane.canceled -= 1
    }
    return nil
  }

  private func store(_ lane: Lane, of owner: ObjectIdentifier) {
    if !lane.waiting.isEmpty || lane.underWay > 0 || lane.hasTurn { lanes[owner] = lane }
  }

  private func start(_ launch: Launch) {
    guard case .waiting(let request, let completion) = launch.state else {
      preconditionFailure("canceled launches were skipped")
    }
    launch.state = .underWay
    underWay += 1
    loop.spawn(request) { [self] result in
      launch.state = .done
      underWay -= 1
      if var lane = lanes.removeValue(forKey: launch.owner) {
        lane.underWay -= 1
        store(lane, of: launch.owner)
      }
      takeTurnIfPossible(launch.owner)
      launchNext()
      completion(result)
    }
  }
}

extension LaunchLine.Launch {
  /// Whether it is over.
  fileprivate var isDone: Bool { if case .done = state { true } else { false } }
}
