/// What a NATS server says.
package enum NATSEvent: Sendable, Equatable {
  /// `INFO`: facts about the server, first of all and when they change.
  case info(NATSInfo)
  /// `MSG` or `HMSG`.
  case message(NATSMessage)
  /// `PING`, which demands a PONG.
  case ping
  /// `PONG`, the answer to the oldest PING without one.
  case pong
  /// `+OK`, which only a verbose connection gets.
  case ok
  /// `-ERR`, with its text without quotes, at most `NATSLimits.errorText` bytes.
  case error(String)
}

/// A message that has arrived.
package struct NATSMessage: Sendable, Equatable {
  /// The number of the subscription that it is for.
  package var subscription: UInt64
  /// The subject under which it was published. For a message of a pull that is the stream's subject,
  /// not the inbox of the request.
  package var subject: String
  /// Where an answer or an acknowledgement goes.
  package var reply: String?
  /// Its headers; empty for `MSG`.
  package var headers = NATSHeaders()
  /// Its bytes.
  package var payload: [UInt8]

  /// A message.
  package init(
    subscription: UInt64, subject: String, reply: String? = nil, headers: NATSHeaders = .init(),
    payload: [UInt8]
  ) {
    self.subscription = subscription
    self.subject = subject
    self.reply = reply
    self.headers = headers
    self.payload = payload
  }
}

/// Facts about a server. Unknown keys are ignored.
package struct NATSInfo: Sendable, Equatable, Codable {
  /// The server's name of itself.
  package var serverName: String?
  /// Its version.
  package var version: String?
  /// The most bytes of a message that it accepts, with headers.
  package var maxPayload: Int?
  /// Whether messages may have headers.
  package var headers: Bool?
  /// Whether JetStream is enabled.
  package var jetstream: Bool?
  /// Whether the connection must continue with TLS.
  package var tlsRequired: Bool?
  /// Whether the connection may continue with TLS.
  package var tlsAvailable: Bool?
  /// Whether credentials are needed.
  package var authRequired: Bool?
  /// What a client with an nkey signs.
  package var nonce: String?

  /// Facts of which none is known.
  package init() {}

  private enum CodingKeys: String, CodingKey {
    case serverName = "server_name"
    case version
    case maxPayload = "max_payload"
    case headers
    case jetstream
    case tlsRequired = "tls_required"
    case tlsAvailable = "tls_available"
    case authRequired = "auth_required"
    case nonce
  }
}

/// How a client presents itself.
package struct NATSConnect: Sendable, Equatable, Codable {
  /// Whether the server confirms each line; Telpher never wants that.
  package var verbose = false
  /// Whether the server checks subjects strictly.
  package var pedantic = false
  /// Whether the client demands TLS.
  package var tlsRequired = false
  /// The client's name, for the server's lists.
  package var name: String?
  /// The client's language.
  package var lang = "swift"
  /// The client's version.
  package var version = "1"
  /// 1: INFO may come at any time.
  package var `protocol` = 1
  /// Whether the client understands headers.
  package var headers = true
  /// Whether a request without a responder is answered with 503 at once.
  package var noResponders = true
  /// A user's name.
  package var user: String?
  /// The user's password.
  package var pass: String?
  /// A token instead of a user.
  package var authToken: String?
  /// A user's public nkey.
  package var nkey: String?
  /// A user's JWT.
  package var jwt: String?
  /// The nonce, signed: base64url without padding.
  package var sig: String?

  /// A client without credentials.
  package init() {}

  private enum CodingKeys: String, CodingKey {
    case verbose, pedantic, name, lang, version, `protocol`, headers, user, pass, nkey, jwt, sig
    case tlsRequired = "tls_required"
    case noResponders = "no_responders"
    case authToken = "auth_token"
  }
}
