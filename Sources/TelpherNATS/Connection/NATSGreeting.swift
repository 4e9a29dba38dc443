/// The begin of a connection, without I/O: INFO, perhaps TLS, CONNECT with PING, and the PONG that says
/// that the server has accepted this client.
package struct NATSGreeting: Sendable {
  /// What comes next.
  package enum State: Sendable, Equatable {
    /// The server's INFO. Next: `securing`, `answer`.
    case info
    /// The TLS handshake. Next: `answer`.
    case securing(NATSInfo)
    /// The server's PONG, or its refusal. Next: `open`.
    case answer(NATSInfo)
    /// The client is accepted. Final.
    case open(NATSInfo)
  }

  /// What the caller does.
  package enum Action: Sendable, Equatable {
    /// Wait.
    case wait
    /// Begin TLS, then call `didSecure()`. No byte may have arrived after the INFO.
    case secure
    /// Send these bytes.
    case send([UInt8])
    /// The connection may be used.
    case open(NATSInfo)
  }

  /// The stage.
  package private(set) var state = State.info
  private let requiresTLS: Bool
  private let mayUseTLS: Bool
  private let credentials: NATSCredentials
  private let name: String

  /// A greeting.
  ///
  /// - Parameters:
  ///   - requiresTLS: whether the connection fails if the server offers no TLS.
  ///   - mayUseTLS: whether there is a way to know the server.
  package init(
    requiresTLS: Bool, mayUseTLS: Bool, credentials: NATSCredentials, name: String
  ) {
    self.requiresTLS = requiresTLS
    self.mayUseTLS = mayUseTLS
    self.credentials = credentials
    self.name = name
  }

  /// Handles an event.
  ///
  /// - Throws: `NATSError`: `notAuthorized`; `unreachable` if the server refuses for another reason, or
  ///   TLS does not suit both sides; `violation`.
  package mutating func receive(_ event: NATSEvent) throws(NATSError) -> Action {
    switch (state, event) {
    case (.info, .info(let info)):
      guard info.headers == true else {
        throw NATSError(.unreachable, "the NATS server knows no headers: it is older than 2.2")
      }
      let serverWants = info.tlsRequired == true
      if requiresTLS, !serverWants, info.tlsAvailable != true {
        throw NATSError(.unreachable, "the NATS server offers no TLS, but tls:// demands it")
      }
      guard requiresTLS || serverWants else { return try present(info, secured: false) }
      guard mayUseTLS else {
        throw NATSError(
          .unreachable,
          "the NATS server demands TLS, but no authorities are given to check its certificate")
      }
      state = .securing(info)
      return .secure
    case (.answer(let info), .pong):
      state = .open(info)
      return .open(info)
    case (.answer(let old), .info(let info)):
      // A server may tell news at any time; the nonce was used already.
      var merged = info
      merged.nonce = old.nonce
      state = .answer(merged)
      return .wait
    case (.answer, .ok): return .wait
    case (.answer, .ping):
      var encoder = NATSEncoder()
      encoder.pong()
      return .send(encoder.take())
    case (_, .error(let text)): throw Self.refusal(text)
    case (.info, _), (.securing, _), (.answer, _), (.open, _):
      throw NATSError(.violation, "the NATS server did not begin as the protocol demands")
    }
  }

  /// The TLS handshake is complete.
  ///
  /// - Throws: `NATSError` (`notAuthorized`).
  package mutating func didSecure() throws(NATSError) -> Action {
    guard case .securing(let info) = state else { preconditionFailure("TLS was begun") }
    return try present(info, secured: true)
  }

  private mutating func present(_ info: NATSInfo, secured: Bool) throws(NATSError) -> Action {
    var connect = NATSConnect()
    connect.name = name
    connect.tlsRequired = secured
    try credentials.fill(&connect, nonce: info.nonce)
    state = .answer(info)
    var encoder = NATSEncoder()
    encoder.connect(connect)
    encoder.ping()
    return .send(encoder.take())
  }

  private static func refusal(_ text: String) -> NATSError {
    let words = text.lowercased()
    let isAuthorization = words.contains("authorization") || words.contains("authentication")
    return NATSError(
      isAuthorization ? .notAuthorized : .unreachable, "the NATS server refuses: \(text)")
  }
}
