internal import TelpherTransport

/// What waits on a session: operations, and subscriptions with their messages.
extension NATSSession {
  /// A number for an operation or a subscription.
  func makeID() -> UInt64 {
    lastID += 1
    return lastID
  }

  /// Sends an operation's request as soon as there are a connection and room.
  ///
  /// - Parameter limit: the time for that and for the first answer together, in nanoseconds.
  func perform(_ operation: NATSOperation, within limit: UInt64) {
    if case .closed(let error) = state { return operation.finish(.failure(error)) }
    guard operations.count < NATSLimits.waiters else {
      return operation.finish(
        .failure(NATSError(.notSent, "too many requests wait for the NATS server")))
    }
    operations[operation.id] = operation
    limitTime(of: operation, limit)
    if isReady, waiting.isEmpty { return send(operation) }
    if waiting.count > 2 * operations.count {
      waiting.removeAll { operations[$0]?.isWaiting != true }
    }
    waiting.append(operation.id)
  }

  /// Ends an operation because its task was canceled.
  func cancel(_ id: UInt64) {
    guard let operation = operations[id] else { return }
    finish(operation, .failure(NATSError(.canceled, "the task was canceled")))
  }

  private func limitTime(of operation: NATSOperation, _ limit: UInt64) {
    let id = operation.id
    operation.setTimer(loop.schedule(after: limit) { [weak self] in self?.didTimeOut(id) })
  }

  private func didTimeOut(_ id: UInt64) {
    guard let operation = operations[id] else { return }
    let error =
      if operation.isWaiting {
        NATSError(
          .notSent,
          "no connection to a NATS server: \(lastFailure?.message ?? "it is not open yet")")
      } else {
        NATSError(.timedOut, "no answer to '\(operation.request.subject)' in time")
      }
    finish(operation, .failure(error))
  }

  func send(_ operation: NATSOperation) {
    let request = operation.request
    var size = request.payload.count
    for field in request.headers.fields {
      size += field.name.utf8.count + field.value.utf8.count + 4
    }
    guard size <= min(info?.maxPayload ?? .max, NATSLimits.message) else {
      let most = info?.maxPayload ?? NATSLimits.message
      return finish(
        operation,
        .failure(
          NATSError(
            .tooLarge, "a message of \(size) bytes is larger than the \(most) that NATS takes")))
    }
    switch operation.answers {
    case .connection: return finish(operation, .success([]))
    case .none:
      encoder.publish(
        request.subject, reply: request.reply, headers: request.headers, request.payload)
      operation.didSend(subscription: nil)
      finish(operation, .success([]))
    case .shared:
      encoder.publish(
        request.subject, reply: answerSubject(operation.id), headers: request.headers,
        request.payload)
      operation.didSend(subscription: nil)
    case .own:
      let id = operation.id
      let subject = answerSubject(id, own: true)
      add(
        Subscription(
          subject: subject, group: nil,
          handler: { [weak self] result in
            guard let self, let operation = operations[id] else { return }
            switch result {
            case .success(let message): didReceive(message, for: operation)
            case .failure(let error): finish(operation, .failure(error))
            }
          }, isLasting: false), id: id)
      encoder.publish(request.subject, reply: subject, headers: request.headers, request.payload)
      operation.didSend(subscription: id)
    }
    scheduleFlush()
  }

  private func answerSubject(_ id: UInt64, own: Bool = false) -> NATSSubject {
    // The shared subscription has one more token, so it does not match the others.
    NATSSubject(stringLiteral: own ? "\(inbox).own.\(id)" : "\(inbox).\(id)")
  }

  func didReceiveAnswer(_ message: NATSMessage) {
    guard message.subject.utf8.count > inbox.utf8.count,
      let id = UInt64(message.subject.dropFirst(inbox.count + 1)), let operation = operations[id],
      !operation.isWaiting, operation.subscription == nil
    else { return }
    didReceive(message, for: operation)
  }

  private func didReceive(_ message: NATSMessage, for operation: NATSOperation) {
    switch operation.didReceive(message) {
    case .more(let limit): if let limit { limitTime(of: operation, limit) }
    case .done(let result): finish(operation, result)
    }
  }

  func finish(_ operation: NATSOperation, _ result: Result<[NATSMessage], NATSError>) {
    guard operations.removeValue(forKey: operation.id) != nil else { return }
    if let id = operation.subscription, case .own(let linger, let late) = operation.answers {
      switch result {
      case .failure(let error) where error.code == .canceled || error.code == .timedOut:
        linger > 0 ? retire(id, linger, late) : unsubscribe(id)
      case .success, .failure: unsubscribe(id)
      }
    }
    operation.finish(result)
  }

  // MARK: Subscriptions

  /// Adds a subscription, which lasts until `unsubscribe` or, if it is lasting, until `close`.
  func add(_ subscription: Subscription, id: UInt64) {
    if case .closed(let error) = state { return subscription.handler(.failure(error)) }
    subscriptions[id] = subscription
    guard case .open = state else { return }
    encoder.subscribe(subscription.subject, group: subscription.group, id: id)
    scheduleFlush()
  }

  /// Ends a subscription. Messages that are on their way are dropped.
  func unsubscribe(_ id: UInt64) {
    guard subscriptions.removeValue(forKey: id) != nil, case .open = state else { return }
    encoder.unsubscribe(id)
    scheduleFlush()
  }

  /// Leaves a subscription open for the answer that nothing waits for any more, because a server that
  /// has no subscriber would drop it.
  private func retire(_ id: UInt64, _ linger: UInt64, _ late: @escaping (NATSMessage) -> Void) {
    guard let old = subscriptions[id] else { return }
    let timer = loop.schedule(after: linger) { [weak self] in self?.unsubscribe(id) }
    subscriptions[id] = Subscription(
      subject: old.subject, group: nil,
      handler: { [weak self] result in
        if case .success(let message) = result {
          if message.headers.status?.code == NATSHeaders.Status.idle { return }
          late(message)
          self?.unsubscribe(id)
        }
        timer.cancel()
      }, isLasting: false)
  }
}
