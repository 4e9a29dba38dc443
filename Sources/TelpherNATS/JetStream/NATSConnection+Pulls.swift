extension NATSConnection {
  /// Sends a pull and waits for its message.
  ///
  /// - Parameter patience: the longest silence of the server.
  /// - Returns: nil if the server says that none has come in time.
  func pull(
    _ subject: NATSSubject, _ request: [UInt8], patience: Duration, expires: Duration
  ) async throws(NATSError) -> NATSMessage? {
    let giveBack = { [unowned self] (message: NATSMessage) in
      guard message.headers.status == nil, let reply = message.reply else { return }
      publishNow(reply, Array("-NAK".utf8))
    }
    let messages = try await requestMany(
      subject, request, within: patience, linger: expires, late: giveBack
    ) {
      message in
      guard let status = message.headers.status else { return .done(.success([message])) }
      switch status.code {
      case NATSHeaders.Status.idle: return .more(within: patience.nanoseconds)
      case NATSHeaders.Status.notFound, NATSHeaders.Status.expired: return .done(.success([]))
      case NATSHeaders.Status.noResponders:
        return .done(.failure(NATSError(.noResponders, "no consumer answers on '\(subject)'")))
      default:
        return .done(
          .failure(
            NATSError(.refused, "the consumer refuses: \(status.text)", number: status.code)))
      }
    }
    return messages.first
  }

  /// Sends a request that is answered with at most `most` messages and a status at the end.
  func requestBatch(
    _ subject: NATSSubject, _ request: [UInt8], most: Int, within limit: Duration
  ) async throws(NATSError) -> [NATSMessage] {
    var received: [NATSMessage] = []
    return try await requestMany(subject, request, within: limit) { message in
      switch message.headers.status?.code {
      case nil:
        // The limit of memory is the caller's batch.
        guard received.count < most else {
          return .done(
            .failure(NATSError(.violation, "JetStream sent more messages than asked for")))
        }
        received.append(message)
        return .more(within: limit.nanoseconds)
      case NATSHeaders.Status.endOfBatch, NATSHeaders.Status.notFound:
        return .done(.success(received))
      case NATSHeaders.Status.noResponders:
        return .done(.failure(NATSError(.noResponders, "nothing answers on '\(subject)'")))
      default:
        let status = message.headers.status
        return .done(
          .failure(
            NATSError(
              .refused, "JetStream refuses: \(status?.text ?? "")", number: status?.code ?? 0)))
      }
    }
  }
}
