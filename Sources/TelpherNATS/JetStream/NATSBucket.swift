/// A bucket of keys and values in JetStream, as the clients of NATS agree on it: the stream KV_NAME with
/// the subjects `$KV.NAME.KEY`.
package struct NATSBucket: Sendable {
  private let jetStream: JetStream
  /// The bucket's name.
  package let name: String

  /// A bucket.
  ///
  /// - Throws: `NATSError` (`badAddress`) if the name can't be part of a subject.
  package init(_ name: String, _ jetStream: JetStream) throws(NATSError) {
    self.name = try JetStream.token(name)
    self.jetStream = jetStream
  }

  /// The name of its stream.
  package var stream: String { "KV_\(name)" }

  /// The settings of its stream: one value for each key, which may have an age limit of its own.
  ///
  /// - Parameter maxAge: the age at which values are removed, in nanoseconds.
  package func settings(replicas: Int, maxAge: UInt64) -> StreamSettings {
    var settings = StreamSettings(name: stream, subjects: ["$KV.\(name).>"])
    settings.discard = .new
    settings.replicas = replicas
    settings.maxAge = maxAge
    settings.maxMessagesPerSubject = 1
    settings.allowDirect = true
    settings.allowMessageTTL = true
    // A removal by age is an event, which a watcher sees.
    settings.deleteMarkerTTL = maxAge
    settings.duplicateWindow = min(maxAge, settings.duplicateWindow)
    return settings
  }

  /// Sets a value.
  ///
  /// - Parameter timeToLive: the age at which it is removed, in seconds; nil for the bucket's.
  package func put(
    _ key: String, _ value: [UInt8], timeToLive: UInt64? = nil
  ) async throws(NATSError) {
    _ = try await jetStream.publish(
      try subject(key), value, .init(id: NATSHeaders.randomID(), timeToLive: timeToLive))
  }

  /// The value of a key; nil if there is none.
  package func value(_ key: String) async throws(NATSError) -> StoredMessage? {
    guard let found = try await jetStream.directMessage(stream, try subject(key)), !found.isRemoval
    else { return nil }
    return found
  }

  /// All keys with their values.
  package func all() async throws(NATSError) -> [(key: String, value: StoredMessage)] {
    var found: [(key: String, value: StoredMessage)] = []
    var next: UInt64 = 1
    while true {
      let page = try await jetStream.messages(stream, try subject(">"), from: next)
      for message in page.messages where !message.isRemoval {
        found.append((String(message.subject.dropFirst("$KV.\(name).".count)), message))
      }
      guard page.hasMore, let last = page.messages.last else { return found }
      next = last.sequence + 1
    }
  }

  /// Removes the value of a key, by a message that says so: that needs no more permissions than `put`.
  package func remove(_ key: String) async throws(NATSError) {
    _ = try await jetStream.publish(
      try subject(key), [], .init(id: NATSHeaders.randomID(), isRemoval: true))
  }

  private func subject(_ key: String) throws(NATSError) -> NATSSubject {
    try NATSSubject("$KV.\(name).\(key)")
  }
}
