/// The two directions of a socket whose bytes a stream carries. A value: each input returns what its
/// owner does next.
struct SocketFlow {
  /// The bytes that the socket brings and the stream sends.
  private enum Outgoing {
    /// The socket may bring more. Next: `ending`.
    case open
    /// The socket has ended in order; the FIN is not sent yet. Next: `ended`.
    case ending
    /// The FIN is sent. Final.
    case ended
  }

  /// The bytes that the stream brings and the socket takes.
  private enum Incoming {
    /// The stream may bring more. Next: `ending`.
    case open
    /// The stream's FIN has arrived; the socket has not taken all bytes yet. Next: `ended`.
    case ending
    /// The socket has taken all bytes and its writing side is ended. Final.
    case ended
  }

  /// The socket and both of its directions.
  private enum State {
    /// There is no socket yet; bytes of the stream are kept. Next: `open`, `over`.
    case waiting(hasEnded: Bool)
    /// The socket is open. Next: `over`.
    case open(Outgoing, Incoming)
    /// Both directions have ended, or the socket was given up. Final.
    case over
  }

  /// What the owner does next.
  enum Action {
    /// Nothing.
    case none
    /// End the socket's writing side when it has taken all bytes.
    case endWriting
    /// Both directions have ended in order: report it.
    case finish
  }

  private var state = State.waiting(hasEnded: false)

  /// Whether the socket is to be read.
  var reads: Bool { if case .open(.open, _) = state { true } else { false } }

  /// Whether bytes of the stream are still accepted: written to the socket, or kept until it is
  /// open.
  var takesBytes: Bool {
    switch state {
    case .waiting(hasEnded: false), .open(_, .open): true
    case .waiting(hasEnded: true), .open(_, .ending), .open(_, .ended), .over: false
    }
  }

  /// Whether the stream has ended and the socket's writing side has not.
  var isEnding: Bool { if case .open(_, .ending) = state { true } else { false } }

  /// Whether the socket was given up or has ended.
  var isOver: Bool { if case .over = state { true } else { false } }

  /// Whether the FINs of both directions were exchanged with the peer.
  var hasExchangedEnds: Bool {
    switch state {
    case .open(.ended, .ending), .open(.ended, .ended): true
    case .waiting, .open(_, .open), .open(.open, _), .open(.ending, _), .over: false
    }
  }

  /// The socket is open, and the kept bytes were passed to it.
  mutating func didOpen() -> Action {
    guard case .waiting(let hasEnded) = state else {
      preconditionFailure("a stream gets one socket")
    }
    state = .open(.open, hasEnded ? .ending : .open)
    return hasEnded ? .endWriting : .none
  }

  /// The stream's FIN has arrived.
  mutating func receiveEnd() -> Action {
    switch state {
    case .waiting:
      state = .waiting(hasEnded: true)
      return .none
    case .open(let outgoing, .open):
      state = .open(outgoing, .ending)
      return .endWriting
    case .open(_, .ending), .open(_, .ended), .over: return .none
    }
  }

  /// The socket has taken all bytes, and its writing side was ended.
  mutating func didWriteAll() -> Action {
    guard case .open(let outgoing, .ending) = state else { return .none }
    return settle(outgoing, .ended)
  }

  /// The socket's peer has ended its side in order.
  mutating func didReadEnd() {
    guard case .open(.open, let incoming) = state else { return }
    state = .open(.ending, incoming)
  }

  /// The stream has sent its FIN.
  mutating func didSendEnd() -> Action {
    guard case .open(.ending, let incoming) = state else { return .none }
    return settle(.ended, incoming)
  }

  /// The socket is given up.
  ///
  /// - Returns: false if it was over before.
  mutating func giveUp() -> Bool {
    if isOver { return false }
    state = .over
    return true
  }

  private mutating func settle(_ outgoing: Outgoing, _ incoming: Incoming) -> Action {
    if case (.ended, .ended) = (outgoing, incoming) {
      state = .over
      return .finish
    }
    state = .open(outgoing, incoming)
    return .none
  }
}
