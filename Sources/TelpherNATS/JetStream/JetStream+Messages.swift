internal import TelpherJSON

/// What a stream says about a message that it has stored.
package struct PublishAcknowledgement: Sendable, Equatable {
  /// The number of the message in the stream.
  package var sequence: UInt64
  /// Whether the stream had a message with the same id.
  package var isDuplicate: Bool

  /// An acknowledgement.
  package init(sequence: UInt64, isDuplicate: Bool) {
    (self.sequence, self.isDuplicate) = (sequence, isDuplicate)
  }
}

/// A message in a stream.
package struct StoredMessage: Sendable, Equatable {
  /// Its subject.
  package var subject: String
  /// Its number in the stream.
  package var sequence: UInt64
  /// Its headers.
  package var headers: NATSHeaders
  /// Its bytes.
  package var payload: [UInt8]
  /// When the server stored it, in RFC 3339.
  package var time: String

  /// Whether it only says that the value of its subject was removed.
  package var isRemoval: Bool {
    headers["KV-Operation"] != nil || headers["Nats-Marker-Reason"] != nil
  }
}

extension JetStream {
  /// What is demanded of a message that is published.
  package struct Publication: Sendable {
    /// The id by which repeated messages are recognized.
    package var id: String
    /// The number of the subject's last message; 0 if there must be none.
    package var expectedLastSequence: UInt64?
    /// The age at which it is removed, in seconds.
    package var timeToLive: UInt64?

    /// Whether it says that the value of its subject is removed.
    package var isRemoval: Bool

    /// Demands.
    package init(
      id: String, expectedLastSequence: UInt64? = nil, timeToLive: UInt64? = nil,
      isRemoval: Bool = false
    ) {
      self.id = id
      self.expectedLastSequence = expectedLastSequence
      self.timeToLive = timeToLive
      self.isRemoval = isRemoval
    }

    var headers: NATSHeaders {
      var headers = NATSHeaders([.init("Nats-Msg-Id", id)])
      if isRemoval { headers.fields.append(.init("KV-Operation", "DEL")) }
      if let expectedLastSequence {
        headers.fields.append(
          .init("Nats-Expected-Last-Subject-Sequence", String(expectedLastSequence)))
      }
      if let timeToLive { headers.fields.append(.init("Nats-TTL", "\(timeToLive)s")) }
      return headers
    }
  }

  /// Stores a message, and returns after the stream has confirmed it. It is sent again until it is
  /// confirmed.
  ///
  /// - Parameter stream: the stream that stores it, if this must fail at once when it does not
  ///   exist. Otherwise that looks like a stream without a leader, which does not answer either.
  /// - Throws: `NATSError`: `refused` with the number `wrongLastSequence` or `noStream`; `timedOut` if
  ///   it is unknown whether it was stored.
  package func publish(
    _ subject: NATSSubject, _ payload: [UInt8], _ publication: Publication, to stream: String? = nil
  ) async throws(NATSError) -> PublishAcknowledgement {
    let headers = publication.headers
    return try await trying { (limit) throws(NATSError) in
      do throws(NATSError) {
        return try await publishOnce(subject, headers, payload, within: limit)
      } catch {
        guard error.code == .noResponders, let stream, try await isAbsent(stream) else {
          throw error
        }
        throw NATSError(
          .refused, "there is no stream \(stream)", number: NATSError.Number.noStream)
      }
    }
  }

  private func publishOnce(
    _ subject: NATSSubject, _ headers: NATSHeaders, _ payload: [UInt8], within limit: Duration
  ) async throws(NATSError) -> PublishAcknowledgement {
    struct Answer: Decodable {
      var seq: UInt64
      var duplicate: Bool?
    }
    let answer = try await connection.request(subject, headers: headers, payload, within: limit)
    let decoded = try Self.decode(Answer.self, answer.payload, from: "a message on \(subject)")
    return PublishAcknowledgement(
      sequence: decoded.seq, isDuplicate: decoded.duplicate ?? false)
  }

  // MARK: Reading

  /// A message, as the stream's leader has it.
  private struct StoredAnswer: Decodable, Sendable {
    struct Message: Decodable {
      var subject: String
      var seq: UInt64
      var hdrs: String?
      var data: String?
      var time: String?
    }
    var message: Message
  }

  /// The last message of a subject, as the stream's leader knows it; nil if there is none.
  package func lastMessage(
    _ stream: String, _ subject: NATSSubject
  ) async throws(NATSError) -> StoredMessage? {
    struct Request: Encodable, Sendable {
      var subject: String
      enum CodingKeys: String, CodingKey { case subject = "last_by_subj" }
    }
    return try await message(of: stream, Request(subject: subject.text))
  }

  /// The first message from `sequence` on whose subject matches, as the stream's leader knows it; nil if
  /// there is none.
  package func nextMessage(
    _ stream: String, _ filter: NATSSubject, from sequence: UInt64
  ) async throws(NATSError) -> StoredMessage? {
    struct Request: Encodable, Sendable {
      var seq: UInt64
      var subject: String
      enum CodingKeys: String, CodingKey {
        case seq
        case subject = "next_by_subj"
      }
    }
    return try await message(of: stream, Request(seq: max(sequence, 1), subject: filter.text))
  }

  private func message(
    of stream: String, _ request: some Encodable & Sendable
  ) async throws(NATSError) -> StoredMessage? {
    do throws(NATSError) {
      let found = try await callRepeatedly(
        "STREAM.MSG.GET.\(try Self.token(stream))", request, StoredAnswer.self
      ).message
      guard let headers = Self.bytes(found.hdrs), let payload = Self.bytes(found.data) else {
        throw NATSError(.violation, "JetStream's stored message is no base64")
      }
      return StoredMessage(
        subject: found.subject, sequence: found.seq,
        headers: headers.isEmpty ? NATSHeaders() : try NATSHeaders(parsing: headers[...]),
        payload: payload, time: found.time ?? "")
    } catch  where error.number == NATSError.Number.noMessage {
      return nil
    }
  }

  /// The last message of a subject as any of the stream's servers knows it, so perhaps not the newest;
  /// nil if there is none. The stream must allow direct reads. Unlike `lastMessage`, it can be
  /// permitted for single subjects.
  package func directMessage(
    _ stream: String, _ subject: NATSSubject
  ) async throws(NATSError) -> StoredMessage? {
    let request = try NATSSubject("\(api).DIRECT.GET.\(try Self.token(stream)).\(subject)")
    let answer = try await trying { (limit) throws(NATSError) in
      try await connection.request(request, [], within: limit)
    }
    if answer.headers.status?.code == NATSHeaders.Status.notFound { return nil }
    return try StoredMessage(direct: answer)
  }

  /// The messages of a stream from `sequence` on whose subjects match, at most `batch`.
  ///
  /// - Returns: the messages in their order, and whether more follow.
  package func messages(
    _ stream: String, _ filter: NATSSubject, from sequence: UInt64, batch: Int = 256
  ) async throws(NATSError) -> (messages: [StoredMessage], hasMore: Bool) {
    struct Request: Encodable, Sendable {
      var seq: UInt64
      var subject: String
      var batch: Int
      enum CodingKeys: String, CodingKey {
        case seq, batch
        case subject = "next_by_subj"
      }
    }
    let subject = try NATSSubject("\(api).DIRECT.GET.\(try Self.token(stream))")
    let body = Self.encode(Request(seq: max(sequence, 1), subject: filter.text, batch: batch))
    let answers = try await trying { (limit) throws(NATSError) in
      try await connection.requestBatch(subject, body, most: batch, within: limit)
    }
    var found: [StoredMessage] = []
    for answer in answers { found.append(try StoredMessage(direct: answer)) }
    let pending = answers.last?.headers["Nats-Num-Pending"].flatMap { UInt64($0) } ?? 0
    return (found, pending > 0 && !found.isEmpty)
  }

  private static func bytes(_ base64: String?) -> [UInt8]? {
    guard let base64 else { return [] }
    return Base64.decode(base64)
  }
}

extension StoredMessage {
  /// A message that a server has read directly: its place is in its headers.
  init(direct answer: NATSMessage) throws(NATSError) {
    guard answer.headers.status == nil, let subject = answer.headers["Nats-Subject"],
      let sequence = answer.headers["Nats-Sequence"].flatMap({ UInt64($0) })
    else {
      let text = answer.headers.status.map { ": \($0.code) \($0.text)" } ?? ""
      throw NATSError(.refused, "JetStream can't read a message\(text)")
    }
    self.init(
      subject: subject, sequence: sequence, headers: answer.headers, payload: answer.payload,
      time: answer.headers["Nats-Time-Stamp"] ?? "")
  }
}
