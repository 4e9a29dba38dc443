/// Who may have the listening sockets of a server: a value that decides, without I/O.
///
///     serving ⇄ offered ─▸ committed ─▸ handedOver
///        └─────────┴──▸ ending   └─▸ serving
enum HandOverState: Equatable {
  /// The server has them. Next: offered, ending.
  case serving
  /// The process has copies and prepares to serve. Next: committed; serving, if it is gone; ending.
  case offered(to: Int32)
  /// The process may accept connections, and will say that it does. Next: handedOver; serving, if it
  /// is gone.
  case committed(to: Int32)
  /// The process has them. Final.
  case handedOver(to: Int32)
  /// The server is ending, and hands nothing over. Final.
  case ending

  /// Whether the process may have the sockets.
  ///
  /// - Returns: why not; nil if they are offered to it now.
  mutating func take(by process: Int32) -> String? {
    switch self {
    case .serving:
      self = .offered(to: process)
      return nil
    case .offered(let other), .committed(let other):
      return "process \(other) is taking its sockets over already; try again later"
    case .handedOver(let other): return "process \(other) has taken its sockets over already"
    case .ending: return "it is ending"
    }
  }

  /// The process to which the sockets are offered is ready.
  ///
  /// - Returns: why it must not serve; nil if it may.
  mutating func ready() -> String? {
    switch self {
    case .offered(let process):
      self = .committed(to: process)
      return nil
    case .ending: return "it is ending"
    case .serving, .committed, .handedOver:
      preconditionFailure("only the process to which the sockets are offered gets ready, once")
    }
  }

  /// The process that may serve does.
  mutating func serves() {
    guard case .committed(let process) = self else {
      preconditionFailure("a process serves once, after `go`")
    }
    self = .handedOver(to: process)
  }

  /// The process to which the sockets were offered is gone, before it has served.
  mutating func didLeave() {
    switch self {
    case .offered, .committed: self = .serving
    case .ending: break
    case .serving, .handedOver:
      preconditionFailure("a process leaves once, and not after it has served")
    }
  }

  /// The server begins to end.
  ///
  /// - Returns: whether the sockets are still this server's.
  mutating func end() -> Bool {
    switch self {
    case .serving, .offered, .ending:
      self = .ending
      return true
    case .committed, .handedOver: return false
    }
  }
}
