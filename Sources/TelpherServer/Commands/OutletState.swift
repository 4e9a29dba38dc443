/// Where the outputs of a job go: a state machine. Each event returns what the job does next.
///
///     waiting ◂──▸ attached
///        │            │
///        └─▸ dropped ◂┘       a job finishes from each of these states
struct OutletState {
  /// The states.
  private enum State {
    /// The outputs wait for an outlet. Next: attached, dropped, finished.
    case waiting
    /// The outlet gets the outputs. Next: attached (another outlet), waiting, dropped, finished.
    case attached(any JobOutlet)
    /// The outputs are dropped and the command is being ended. An outlet gets only the result.
    /// Next: dropped (another outlet or none), finished.
    case dropped((any JobOutlet)?)
    /// The result is known. Next: nothing.
    case finished
  }

  /// What the job does after an outlet has detached.
  enum DetachAction {
    /// Nothing: the outlet was not attached any more.
    case ignore
    /// Pause the outputs until another outlet attaches, for a limited time.
    case wait
    /// Release the outlet; the job is being ended already.
    case leave
    /// End the command and drop its outputs.
    case drop
  }

  private var state = State.waiting
  /// Outlets that are gone; they are called once more when the command has ended.
  private var leaving: [any JobOutlet] = []

  /// The outlet that is attached.
  var current: (any JobOutlet)? {
    switch state {
    case .attached(let outlet): outlet
    case .dropped(let outlet): outlet
    case .waiting, .finished: nil
    }
  }

  /// Whether the outputs are dropped.
  var isDropped: Bool {
    if case .dropped = state { true } else { false }
  }

  /// An outlet attaches.
  ///
  /// - Returns: the outlet that it replaces.
  mutating func attach(_ outlet: any JobOutlet) -> (any JobOutlet)? {
    let replaced = current
    switch state {
    case .waiting, .attached: state = .attached(outlet)
    case .dropped: state = .dropped(outlet)
    case .finished: preconditionFailure("the job table does not return finished jobs")
    }
    return replaced
  }

  /// An outlet detaches.
  ///
  /// - Parameter keepsJob: whether the command continues without an outlet.
  mutating func detach(_ outlet: any JobOutlet, keepsJob: Bool) -> DetachAction {
    guard current === outlet else { return .ignore }
    switch state {
    case .attached where keepsJob:
      state = .waiting
      return .wait
    case .dropped where keepsJob:
      state = .dropped(nil)
      return .leave
    case .attached, .dropped:
      leaving.append(outlet)
      state = .dropped(nil)
      return .drop
    case .waiting, .finished: preconditionFailure("these states have no outlet")
    }
  }

  /// No outlet attached in time, or the server ends the command at once.
  mutating func drop() {
    switch state {
    case .waiting: state = .dropped(nil)
    case .attached(let outlet): state = .dropped(outlet)
    case .dropped, .finished: break
    }
  }

  /// The result is known.
  ///
  /// - Returns: the outlets that get it.
  mutating func finish() -> [any JobOutlet] {
    defer {
      state = .finished
      leaving = []
    }
    if let current { leaving.append(current) }
    return leaving
  }
}
