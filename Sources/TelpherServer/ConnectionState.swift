internal import TelpherTransport

/// The state of a client's connection: whether the client was admitted, and the limit that the
/// connection counts towards.
///
///     accepted ──▸ opening ──▸ open
///         │           │
///         └───────────┴──▸ refused
struct ConnectionState {
  /// The limit that a connection counts towards.
  enum Quota {
    /// `maxStrangers`: the client has not authenticated.
    case strangers
    /// `maxConnections`.
    case connections
    /// None: the client is refused.
    case none
  }

  /// The phases of a connection.
  enum Phase {
    /// Nothing was sent or read yet. Next: `opening`, `refused`.
    case accepted(Quota)
    /// The client has to send its HELLO, and a stranger its proof, before the timer fires. Next:
    /// `open`, `refused`.
    case opening(Quota, timer: any LoopTimer)
    /// The client was admitted. Final: the link knows how it ends.
    case open
    /// The client gets the reason, and the connection ends. `afterHello` says whether the client has
    /// opened the connection in time and authenticated. Final.
    case refused(afterHello: Bool)
  }

  /// What the HELLO requires.
  enum HelloAction {
    /// Count a stranger that has authenticated towards `maxConnections`; `refuseOpened()` if there is
    /// no place.
    case count
    /// The connection counts already.
    case proceed
    /// The client was refused before.
    case ignore
  }

  private(set) var phase: Phase

  /// A new connection that counts towards `quota`.
  init(_ quota: Quota) { phase = .accepted(quota) }

  /// The limit that the connection counts towards.
  var quota: Quota {
    switch phase {
    case .accepted(let quota), .opening(let quota, _): quota
    case .open: .connections
    case .refused: .none
    }
  }

  /// Whether the client has authenticated and sent its HELLO.
  var hasOpened: Bool {
    switch phase {
    case .accepted, .opening: false
    case .open: true
    case .refused(let afterHello): afterHello
    }
  }

  var isRefused: Bool {
    if case .refused = phase { true } else { false }
  }

  /// The HELLO is awaited until `timer` fires. A later call replaces the timer, which has fired.
  mutating func awaitHello(until timer: any LoopTimer) {
    switch phase {
    case .accepted(let quota), .opening(let quota, _): phase = .opening(quota, timer: timer)
    case .open, .refused: preconditionFailure("an open connection waits for no HELLO")
    }
  }

  /// The HELLO has arrived, from a stranger after its right proof.
  mutating func didReceiveHello() -> HelloAction {
    switch phase {
    case .accepted: preconditionFailure("nothing is read before the link starts")
    case .opening(let quota, let timer):
      timer.cancel()
      phase = .open
      return quota == .strangers ? .count : .proceed
    case .open: preconditionFailure("the session reports one HELLO")
    case .refused: return .ignore
    }
  }

  /// Refuses the client before its HELLO.
  ///
  /// - Returns: whether the link must be started for it.
  mutating func refuse() -> Bool {
    defer { phase = .refused(afterHello: false) }
    switch phase {
    case .accepted: return true
    case .opening(_, let timer):
      timer.cancel()
      return false
    case .open, .refused: preconditionFailure("a client is refused once, before its HELLO")
    }
  }

  /// Refuses a stranger for which there is no place after its HELLO.
  mutating func refuseOpened() {
    guard case .open = phase else { preconditionFailure("the HELLO has opened the connection") }
    phase = .refused(afterHello: true)
  }

  /// The connection has ended.
  func didEnd() {
    if case .opening(_, let timer) = phase { timer.cancel() }
  }
}
