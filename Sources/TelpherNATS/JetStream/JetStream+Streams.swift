extension JetStream {
  private struct StreamInfo: Decodable, Sendable {
    struct State: Decodable {
      var messages: UInt64
      var subjects: [String: UInt64]?
    }
    struct Cluster: Decodable {
      var leader: String?
    }
    var config: StreamSettings
    var state: State
    var cluster: Cluster?
    var total: Int?
    var ts: String?
  }

  // MARK: Streams

  /// Creates a stream. If it exists with these settings, this changes nothing.
  ///
  /// - Throws: `NATSError`: `refused` with the differences if it exists with other settings.
  package func ensure(_ stream: StreamSettings) async throws(NATSError) {
    if let existing = try await settings(ofStream: stream.name) {
      return try Self.compare(stream, existing)
    }
    do throws(NATSError) {
      let made = try await callRepeatedly(
        "STREAM.CREATE.\(try Self.token(stream.name))", stream, StreamInfo.self)
      try Self.compare(stream, made.config)
    } catch {
      // Another client may have created it at the same time.
      guard error.number == NATSError.Number.streamExists,
        let existing = try await settings(ofStream: stream.name)
      else { throw error }
      try Self.compare(stream, existing)
    }
  }

  private static func compare(
    _ wanted: StreamSettings, _ existing: StreamSettings
  ) throws(NATSError) {
    let differences = wanted.differences(from: existing)
    guard differences.isEmpty else {
      throw NATSError(
        .refused,
        "the stream \(wanted.name) exists with other settings: \(differences.joined(separator: ", "))",
        number: NATSError.Number.streamExists)
    }
  }

  /// The settings of a stream; nil if it does not exist.
  package func settings(ofStream name: String) async throws(NATSError) -> StreamSettings? {
    do throws(NATSError) {
      return try await info(name, NoRequest()).config
    } catch  where error.number == NATSError.Number.noStream {
      return nil
    }
  }

  /// Whether the servers know no such stream. It is false if they don't say.
  func isAbsent(_ name: String) async throws(NATSError) -> Bool {
    do throws(NATSError) {
      _ = try await call(
        "STREAM.INFO.\(try Self.token(name))", NoRequest(), StreamInfo.self, within: tryLimit)
      return false
    } catch {
      return error.number == NATSError.Number.noStream
    }
  }

  /// The time of the server that leads a stream.
  package func serverTime(ofStream name: String) async throws(NATSError) -> ServerTime {
    guard let text = try await info(name, NoRequest()).ts, let time = ServerTime(text) else {
      throw NATSError(.violation, "JetStream does not tell its time")
    }
    return time
  }

  /// The number of messages in a stream.
  package func count(ofStream name: String) async throws(NATSError) -> UInt64 {
    try await info(name, NoRequest()).state.messages
  }

  /// The name of the server that leads a stream; nil if it has no replicas, or no leader now.
  package func leader(ofStream name: String) async throws(NATSError) -> String? {
    try await info(name, NoRequest()).cluster?.leader
  }

  private func info(
    _ name: String, _ request: some Encodable & Sendable
  ) async throws(NATSError) -> StreamInfo {
    try await callRepeatedly("STREAM.INFO.\(try Self.token(name))", request, StreamInfo.self)
  }

  /// The subjects of the messages in a stream.
  ///
  /// - Parameter filter: which subjects; it may have wildcards.
  package func subjects(
    ofStream name: String, _ filter: NATSSubject
  ) async throws(NATSError) -> [String] {
    struct Request: Encodable, Sendable {
      var filter: String
      var offset: Int
      enum CodingKeys: String, CodingKey {
        case filter = "subjects_filter"
        case offset
      }
    }
    var subjects: [String] = []
    while true {
      let page = try await info(
        name, Request(filter: filter.text, offset: subjects.count))
      let found = page.state.subjects ?? [:]
      subjects += found.keys
      guard !found.isEmpty, subjects.count < page.total ?? 0 else { return subjects }
    }
  }

  /// Removes the messages of a subject from a stream.
  ///
  /// - Parameter subject: the subject; it may have wildcards.
  /// - Returns: how many were removed.
  package func purge(
    _ stream: String, _ subject: NATSSubject
  ) async throws(NATSError) -> UInt64 {
    struct Request: Encodable, Sendable { var filter: String }
    struct Answer: Decodable, Sendable { var purged: UInt64? }
    return try await callRepeatedly(
      "STREAM.PURGE.\(try Self.token(stream))", Request(filter: subject.text), Answer.self
    ).purged ?? 0
  }

  /// Removes one message from a stream.
  ///
  /// - Returns: whether it was there.
  package func delete(_ stream: String, sequence: UInt64) async throws(NATSError) -> Bool {
    struct Request: Encodable, Sendable {
      var sequence: UInt64
      // Overwriting it on the disk would cost much and hide nothing.
      var isKept = true
      enum CodingKeys: String, CodingKey {
        case sequence = "seq"
        case isKept = "no_erase"
      }
    }
    struct Answer: Decodable, Sendable { var success: Bool? }
    do throws(NATSError) {
      return try await callRepeatedly(
        "STREAM.MSG.DELETE.\(try Self.token(stream))", Request(sequence: sequence), Answer.self
      ).success ?? false
    } catch
      where error.number == NATSError.Number.noMessage
      || error.number == NATSError.Number.sequenceNotFound
      || (error.number == NATSError.Number.notDeleted
        && error.message.hasSuffix("no message found"))
    {
      return false
    }
  }
}

/// A request without parameters.
struct NoRequest: Codable, Sendable {}
