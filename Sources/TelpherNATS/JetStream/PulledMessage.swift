internal import TelpherText

/// A message that a consumer has delivered, and that is delivered again unless it is settled in time.
package struct PulledMessage: Sendable, Equatable {
  /// Its subject in the stream.
  package var subject: String
  /// Its headers.
  package var headers: NATSHeaders
  /// Its bytes.
  package var payload: [UInt8]
  /// Its number in the stream.
  package var sequence: UInt64
  /// How often it was delivered, this time included. A server without replicas may forget it.
  package var deliveries: UInt64
  /// Where it is settled.
  package let acknowledgement: NATSSubject

  init(_ message: NATSMessage) throws(NATSError) {
    // $JS.ACK.[DOMAIN.ACCOUNT.]STREAM.CONSUMER.DELIVERIES.SEQUENCE.CONSUMERSEQUENCE.TIME.PENDING[.X]
    let parts = (message.reply ?? "").split(separator: ".", omittingEmptySubsequences: false)
    let first = parts.count == 9 ? 4 : 6
    guard parts.count == 9 || parts.count >= 11, parts[0] == "$JS", parts[1] == "ACK",
      let deliveries = UInt64(parts[first]), let sequence = UInt64(parts[first + 1]),
      let reply = message.reply
    else { throw NATSError(.violation, "JetStream delivered a message that can't be acknowledged") }
    acknowledgement = try NATSSubject(reply)
    subject = message.subject
    headers = message.headers
    payload = message.payload
    self.sequence = sequence
    self.deliveries = deliveries
  }
}

extension JetStream {
  /// What becomes of a delivered message.
  package enum Settlement: Sendable, Equatable {
    /// It is done, and does not come again.
    case done
    /// It is being worked on: the time until it comes again begins anew.
    case working
    /// It comes again after this time.
    case later(Duration)
    /// It never comes again, because of this reason.
    case never(String)

    var payload: [UInt8] {
      switch self {
      case .done: Array("+ACK".utf8)
      case .working: Array("+WPI".utf8)
      case .later(let time): Array("-NAK {\"delay\": \(max(time.nanoseconds, 1))}".utf8)
      case .never(let reason):
        Array("+TERM \(ShownText.escaped(String(reason.prefix(200))))".utf8)
      }
    }
  }

  /// Settles a message, and returns after the consumer has confirmed it.
  ///
  /// - Throws: `NATSError`: `timedOut` if it is unknown whether the consumer knows it; the message may
  ///   come again then.
  package func settle(
    _ message: PulledMessage, _ settlement: Settlement
  ) async throws(NATSError) {
    try await settle(at: message.acknowledgement, settlement)
  }

  /// The same for a message of which only `PulledMessage.acknowledgement` is known.
  package func settle(
    at acknowledgement: NATSSubject, _ settlement: Settlement
  ) async throws(NATSError) {
    _ = try await trying { (limit) throws(NATSError) in
      try await connection.request(acknowledgement, settlement.payload, within: limit)
    }
  }

  /// The same, without waiting for the consumer: it may get lost.
  package func settleSoon(
    at acknowledgement: NATSSubject, _ settlement: Settlement
  ) async throws(NATSError) {
    try await connection.publish(acknowledgement, settlement.payload, within: tryLimit)
  }

  /// Waits for a message of a consumer. If the task is canceled, a message that is on its way is given
  /// back.
  ///
  /// - Returns: nil if none came in time.
  /// - Throws: `NATSError`: `refused` if the consumer does not exist (any more), or has too many
  ///   pulls; `disconnected`; `timedOut` if its server has fallen silent.
  package func pull(
    _ stream: String, _ consumer: String, within limit: Duration
  ) async throws(NATSError) -> PulledMessage? {
    struct Request: Encodable {
      var batch = 1
      var expires: UInt64
      var heartbeat: UInt64?
      enum CodingKeys: String, CodingKey {
        case batch, expires
        case heartbeat = "idle_heartbeat"
      }
    }
    // The server demands that a heartbeat is at most half of the time.
    let heartbeat = Duration.seconds(5)
    let expires = max(limit, .milliseconds(10))
    let beats = expires > heartbeat * 2
    let subject = try NATSSubject(
      "\(api).CONSUMER.MSG.NEXT.\(try Self.token(stream)).\(try Self.token(consumer))")
    let request = Request(
      expires: expires.nanoseconds, heartbeat: beats ? heartbeat.nanoseconds : nil)
    let patience = beats ? heartbeat * 2 + .seconds(2) : expires + .seconds(5)
    guard
      let message = try await connection.pull(
        subject, Self.encode(request), patience: patience, expires: expires)
    else { return nil }
    return try PulledMessage(message)
  }
}
