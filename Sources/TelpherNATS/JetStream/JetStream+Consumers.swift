extension JetStream {
  private struct ConsumerInfo: Decodable, Sendable {
    var config: ConsumerSettings
    var pending: UInt64?
    var unacknowledged: Int?
    var pulls: Int?
    enum CodingKeys: String, CodingKey {
      case config
      case pending = "num_pending"
      case unacknowledged = "num_ack_pending"
      case pulls = "num_waiting"
    }
  }

  /// Creates a durable consumer. If it exists with these settings, this changes nothing.
  ///
  /// - Throws: `NATSError`: `refused` if it exists with other settings, or another consumer delivers
  ///   the same subjects of a work queue.
  package func ensure(
    _ consumer: ConsumerSettings, of stream: String
  ) async throws(NATSError) {
    struct Request: Encodable, Sendable {
      var stream: String
      var config: ConsumerSettings
      var action = "create"
      enum CodingKeys: String, CodingKey {
        case stream = "stream_name"
        case config, action
      }
    }
    let name = try Self.token(consumer.name)
    let operation = "CONSUMER.CREATE.\(try Self.token(stream)).\(name)"
    let made = try await callRepeatedly(
      operation, Request(stream: stream, config: consumer), ConsumerInfo.self)
    guard made.config == consumer else {
      throw NATSError(
        .refused, "the consumer \(name) exists with other settings",
        number: NATSError.Number.consumerExists)
    }
  }

  /// How many messages of a consumer were not delivered yet, and how many are delivered but not
  /// acknowledged; nil if there is no such consumer.
  package func pending(
    _ stream: String, _ consumer: String
  ) async throws(NATSError) -> (waiting: UInt64, unacknowledged: Int)? {
    do throws(NATSError) {
      let info = try await callRepeatedly(
        "CONSUMER.INFO.\(try Self.token(stream)).\(try Self.token(consumer))", NoRequest(),
        ConsumerInfo.self)
      return (info.pending ?? 0, info.unacknowledged ?? 0)
    } catch  where error.number == NATSError.Number.noConsumer {
      return nil
    }
  }

  /// The consumers of a stream, in no order.
  package func consumers(of stream: String) async throws(NATSError) -> [ConsumerState] {
    struct Request: Encodable, Sendable { var offset: Int }
    struct Answer: Decodable, Sendable {
      var consumers: [ConsumerInfo]?
      var total: Int?
    }
    var found: [ConsumerState] = []
    while true {
      let page = try await callRepeatedly(
        "CONSUMER.LIST.\(try Self.token(stream))", Request(offset: found.count), Answer.self)
      let consumers = page.consumers ?? []
      found += consumers.map {
        ConsumerState(
          name: $0.config.name, waiting: $0.pending ?? 0,
          unacknowledged: $0.unacknowledged ?? 0)
      }
      guard !consumers.isEmpty, found.count < page.total ?? 0 else { return found }
    }
  }

  /// How many pulls wait for messages of a consumer.
  package func waitingPulls(_ stream: String, _ consumer: String) async throws(NATSError) -> Int {
    try await callRepeatedly(
      "CONSUMER.INFO.\(try Self.token(stream)).\(try Self.token(consumer))", NoRequest(),
      ConsumerInfo.self
    ).pulls ?? 0
  }

  /// Removes a consumer.
  ///
  /// - Returns: whether there was one.
  package func deleteConsumer(
    _ stream: String, _ consumer: String
  ) async throws(NATSError) -> Bool {
    struct Answer: Decodable, Sendable { var success: Bool? }
    do throws(NATSError) {
      return try await callRepeatedly(
        "CONSUMER.DELETE.\(try Self.token(stream)).\(try Self.token(consumer))", NoRequest(),
        Answer.self
      ).success ?? false
    } catch  where error.number == NATSError.Number.noConsumer {
      return false
    }
  }
}

/// How far a consumer is.
package struct ConsumerState: Sendable, Equatable {
  /// Its name.
  package var name: String
  /// How many messages were not delivered yet.
  package var waiting: UInt64
  /// How many messages were delivered but not acknowledged.
  package var unacknowledged: Int
}
