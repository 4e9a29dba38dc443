/// What is known about one host of a fan-out.
package enum HostState: Equatable, Sendable {
  /// Its turn has not come.
  case waiting
  /// The connection is being made. Nothing runs there yet.
  case connecting
  /// The work has been sent.
  case running
  /// The work has ended, and this is how.
  case done(HostResult)
  /// No connection was made, or the server refused the work: nothing was run.
  case unreachable(String)
  /// The connection was lost, or this side could not take the result: the work may have been done in
  /// whole or in part.
  case lost(String)
  /// The work was ended from this side before its own end.
  case canceled
  /// The fan-out ended before the host's turn.
  case notStarted

  /// Whether nothing changes any more.
  package var isSettled: Bool {
    switch self {
    case .waiting, .connecting, .running: false
    case .done, .unreachable, .lost, .canceled, .notStarted: true
    }
  }

  /// Whether the host counts as failed.
  package var isFailure: Bool {
    switch self {
    case .done(let result): result.status != 0
    case .unreachable, .lost: true
    case .waiting, .connecting, .running, .canceled, .notStarted: false
    }
  }
}

/// How the work on a host ended.
package struct HostResult: Equatable, Sendable {
  /// The exit status: 0 is a success.
  package var status: Int32
  /// What to say about it if it is a failure: `exited with 1`.
  package var text: String
  /// Whether the work ran to its own end, whatever its status.
  package var isComplete: Bool

  /// A result.
  package init(status: Int32, text: String, isComplete: Bool) {
    self.status = status
    self.text = text
    self.isComplete = isComplete
  }
}
