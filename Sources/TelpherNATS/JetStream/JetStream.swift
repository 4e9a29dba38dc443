internal import TelpherJSON
internal import TelpherText

/// The part of a NATS server that stores messages. Requests are repeated as long as their servers
/// choose a leader or cannot be reached: all of them have the same effect when they are repeated.
package struct JetStream: Sendable {
  /// The connection that carries the requests.
  package let connection: NATSConnection
  /// What the subjects of the requests begin with. An account that only imports the requests of another
  /// one may have them under another name.
  package let api: NATSSubject
  /// How long one try of a request may take.
  package var tryLimit = Duration.seconds(3)
  /// How long all tries of a request may take together.
  package var limit = Duration.seconds(30)

  /// JetStream over a connection.
  package init(_ connection: NATSConnection, api: NATSSubject = Self.usualAPI) {
    (self.connection, self.api) = (connection, api)
  }

  /// What the subjects of requests begin with in an account that has streams.
  package static let usualAPI: NATSSubject = "$JS.API"

  // MARK: Requests

  /// An answer of the API that tells of an error.
  private struct Failure: Decodable {
    struct Detail: Decodable {
      var code: Int?
      var number: Int?
      var description: String?
      enum CodingKeys: String, CodingKey {
        case code, description
        case number = "err_code"
      }
    }
    var error: Detail?
  }

  /// Sends a request of the API and waits for its answer, once.
  func call<Answer: Decodable & Sendable>(
    _ operation: String, _ request: some Encodable & Sendable, _ type: Answer.Type,
    within limit: Duration
  ) async throws(NATSError) -> Answer {
    let subject = try NATSSubject("\(api).\(operation)")
    let answer = try await connection.request(subject, Self.encode(request), within: limit)
    return try Self.decode(type, answer.payload, from: operation)
  }

  /// Sends a request of the API until it is answered.
  func callRepeatedly<Answer: Decodable & Sendable>(
    _ operation: String, _ request: some Encodable & Sendable, _ type: Answer.Type
  ) async throws(NATSError) -> Answer {
    try await trying { (limit) throws(NATSError) in
      try await call(operation, request, type, within: limit)
    }
  }

  static func encode(_ value: some Encodable) -> [UInt8] {
    guard let bytes = try? JSONEncoding.encode(value) else {
      preconditionFailure("requests have only text, flags and whole numbers")
    }
    return bytes
  }

  static func decode<Answer: Decodable>(
    _ type: Answer.Type, _ bytes: [UInt8], from operation: String
  ) throws(NATSError) -> Answer {
    do {
      let limits = JSONLimits(depth: NATSLimits.jsonDepth)
      if let error = try JSONDecoding.decode(Failure.self, from: bytes, limits: limits).error {
        let text = ShownText.escaped(
          Array((error.description ?? "").utf8.prefix(NATSLimits.errorText)))
        throw NATSError(
          .refused, "JetStream refuses \(operation): \(text)",
          number: error.number ?? error.code ?? 0)
      }
      return try JSONDecoding.decode(type, from: bytes, limits: limits)
    } catch let error as NATSError {
      throw error
    } catch {
      throw NATSError(.violation, "JetStream's answer to \(operation) can't be read")
    }
  }

  /// Repeats `body` while its failure may pass by itself, with short pauses, until the time is over.
  ///
  /// - Throws: the last error; `timedOut` if an earlier try may have had an effect.
  func trying<Value: Sendable>(
    _ body: (Duration) async throws(NATSError) -> Value
  ) async throws(NATSError) -> Value {
    let clock = ContinuousClock()
    let end = clock.now + limit
    var backoff = NATSBackoff(first: .milliseconds(20), longest: .milliseconds(500))
    var isUncertain = false
    while true {
      let left = end - clock.now
      do throws(NATSError) {
        return try await body(min(tryLimit, left))
      } catch {
        isUncertain = isUncertain || error.isUncertain
        let pause = Duration.nanoseconds(backoff.next())
        guard error.mayPass, clock.now + pause < end else {
          guard isUncertain, !error.isUncertain, error.mayPass || error.code == .canceled else {
            throw error
          }
          throw NATSError(
            .timedOut, "an earlier try may have had an effect; then: \(error.message)")
        }
        do {
          try await Task.sleep(for: pause)
        } catch {
          throw NATSError(isUncertain ? .timedOut : .canceled, "the task was canceled")
        }
      }
    }
  }

  /// A part of a subject, checked.
  static func token(_ name: String) throws(NATSError) -> String {
    guard NATSSubject.isToken(name) else {
      throw NATSError(.badAddress, "'\(ShownText.escaped(name))' is no name for NATS")
    }
    return name
  }
}

extension NATSError {
  /// Whether the same request may succeed a little later.
  var mayPass: Bool {
    switch code {
    case .unreachable, .disconnected, .timedOut, .noResponders, .notSent: true
    case .refused: Number.temporary.contains(number)
    case .badAddress, .notAuthorized, .notPermitted, .violation, .tooLarge, .closed, .canceled:
      false
    }
  }
}
