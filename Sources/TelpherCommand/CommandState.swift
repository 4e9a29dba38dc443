/// The state machine of one command: each event returns the actions that the owner performs. The
/// result is sent when the process has exited and every output has ended, in either order.
///
///     starting ──▸ running ──exit──▸ draining ──▸ finished
///         │           │                  │            ▴
///         └───────────┴──end requested───┴▸ terminating ──▸ killed
package struct CommandState: ~Copyable {
  /// The phases of a command.
  package enum Phase: Equatable {
    /// The process is being launched. Next: running, terminating, finished (it could not start).
    case starting
    /// The process runs. Next: draining, terminating, finished.
    case running
    /// The process has exited by itself; an output is still open. Next: terminating, finished.
    case draining
    /// The tree was sent SIGTERM and has until the grace is over. Next: killed, finished.
    case terminating
    /// The tree was sent SIGKILL, or is gone. The state waits for the exit, the outputs and the
    /// last process of the tree, each for a limited time. Next: finished.
    case killed
    /// The result is known. Next: nothing.
    case finished
  }

  /// Why a command is ended before its time.
  package enum Reason: Equatable {
    /// Its deadline passed.
    case deadline
    /// The client canceled it.
    case canceled
    /// The connection was lost.
    case disconnected
    /// The server shuts down.
    case shutdown
    /// It ran without a stream for too long.
    case expired
  }

  /// What the owner does next, in the order of the declarations.
  package struct Actions: OptionSet, Equatable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Send SIGTERM to the tree and start the grace timer.
    package static let terminate = Actions(rawValue: 1)
    /// Send SIGKILL to the tree.
    package static let kill = Actions(rawValue: 2)
    /// Check regularly whether the tree is gone, and then call `treeIsGone`.
    package static let watchTree = Actions(rawValue: 4)
    /// Start the drain timer that the client asked for.
    package static let startDrain = Actions(rawValue: 8)
    /// Start a short drain timer: all processes that could write have ended, or soon will.
    package static let startShortDrain = Actions(rawValue: 16)
    /// Read what the outputs hold at this moment, then end them.
    package static let takeLastOutput = Actions(rawValue: 32)
    /// Send the result.
    package static let finish = Actions(rawValue: 64)
    /// Start the last timer: the process has not exited although it was sent SIGKILL.
    package static let startLastWait = Actions(rawValue: 128)
  }

  /// What is known of the processes of a command that was ended.
  package enum Tree: Equatable {
    /// Some may be left and may still end.
    case unknown
    /// None is left.
    case gone
    /// Some did not end after SIGKILL in time. The state does not wait for them.
    case outOfReach
  }

  /// The state of a command that is not launched yet.
  package init() {}

  package private(set) var phase = Phase.starting
  /// Why it was ended, if it was.
  package private(set) var reason: Reason?
  private var openOutputs = 0
  private var hasExited = false
  /// Whether the result no longer waits for the exit.
  private var ignoresExit = false
  /// What is known of the processes of the tree.
  package private(set) var tree = Tree.unknown
  /// Whether to send SIGKILL as soon as the process runs.
  private var skipsGrace = false

  /// Whether the owner should check regularly whether the tree is gone.
  package var awaitsTree: Bool {
    hasExited && tree == .unknown && (phase == .terminating || phase == .killed)
  }

  /// The process has started, with this many outputs.
  package mutating func didStart(outputs: Int) -> Actions {
    precondition(phase == .starting, "a command starts once")
    openOutputs = outputs
    guard reason != nil else {
      phase = .running
      return []
    }
    phase = .terminating
    return skipsGrace ? graceDidExpire() : .terminate
  }

  /// The process could not be launched.
  package mutating func didFailToStart() -> Actions {
    precondition(phase == .starting, "a command starts once")
    phase = .finished
    return .finish
  }

  /// Ends the command with a grace; later calls have no effect.
  package mutating func end(_ newReason: Reason) -> Actions {
    guard reason == nil, phase != .finished else { return [] }
    reason = newReason
    guard phase != .starting else { return [] }
    phase = .terminating
    return hasExited ? [.terminate, .watchTree] : .terminate
  }

  /// Ends the command at once, without a grace.
  package mutating func kill(_ newReason: Reason) -> Actions {
    if reason == nil { reason = newReason }
    switch phase {
    case .starting:
      skipsGrace = true
      return []
    case .running, .draining, .terminating:
      phase = .terminating
      return hasExited ? graceDidExpire().union(.watchTree) : graceDidExpire()
    case .killed, .finished:
      return []
    }
  }

  /// The process has exited.
  package mutating func didExit() -> Actions {
    precondition(!hasExited, "a process exits once")
    hasExited = true
    switch phase {
    case .running:
      phase = .draining
      return openOutputs == 0 ? finishIfDone() : .startDrain
    case .terminating: return .watchTree
    case .killed:
      // If the process took longer to exit than the drain, this may be the last event.
      let actions = finishIfDone()
      return actions == [] ? .watchTree : actions
    case .starting, .draining, .finished:
      preconditionFailure("a process exits after it has started")
    }
  }

  /// An output has ended.
  package mutating func outputDidEnd() -> Actions {
    openOutputs -= 1
    return finishIfDone()
  }

  /// The grace is over.
  package mutating func graceDidExpire() -> Actions {
    guard phase == .terminating else { return [] }
    phase = .killed
    return [.kill, .startShortDrain]
  }

  /// No process of the tree is left.
  package mutating func treeIsGone() -> Actions {
    guard awaitsTree else { return [] }
    tree = .gone
    let wasTerminating = phase == .terminating
    phase = .killed
    let actions = finishIfDone()
    return wasTerminating && actions == [] ? .startShortDrain : actions
  }

  /// The drain is over.
  package mutating func drainDidExpire() -> Actions {
    switch phase {
    case .draining:
      return .takeLastOutput
    case .killed:
      // Processes that survived SIGKILL until now can't be ended by this server.
      if tree == .unknown { tree = .outOfReach }
      return finishIfDone().union(hasExited ? .takeLastOutput : [.takeLastOutput, .startLastWait])
    case .starting, .running, .terminating, .finished:
      return []
    }
  }

  /// The last wait is over: a process that did not end after SIGKILL is no longer waited for.
  package mutating func lastWaitDidExpire() -> Actions {
    guard phase == .killed, !hasExited else { return [] }
    ignoresExit = true
    return finishIfDone()
  }

  private mutating func finishIfDone() -> Actions {
    switch phase {
    case .draining, .killed:
      guard hasExited || ignoresExit, openOutputs == 0, tree != .unknown || phase == .draining
      else {
        return []
      }
      phase = .finished
      return .finish
    case .starting, .running, .terminating, .finished:
      return []
    }
  }
}
