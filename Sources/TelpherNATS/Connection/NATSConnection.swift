package import TelpherTransport

/// A client's connection to the servers of NATS. After a loss it connects again by itself, to the
/// next server. It may be used from any task; close it before its loop is shut down.
package actor NATSConnection {
  /// The loop that runs the connection.
  package nonisolated let loop: any EventLoop
  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  private let session: NATSSession

  private init(_ configuration: NATSConfiguration, on loop: any EventLoop) {
    self.loop = loop
    session = NATSSession(configuration, on: loop)
  }

  isolated deinit { session.close() }

  /// Connects, and waits until a server has accepted the client.
  ///
  /// - Parameter limit: how long the servers are tried.
  /// - Throws: `NATSError`: `notAuthorized` at once if a server refuses the credentials; `notSent` with
  ///   the last reason if none accepts the client in time.
  package static func connect(
    _ configuration: NATSConfiguration, on loop: any EventLoop,
    within limit: Duration = .seconds(10)
  ) async throws(NATSError) -> NATSConnection {
    let connection = NATSConnection(configuration, on: loop)
    do throws(NATSError) {
      try await connection.open(within: limit)
      return connection
    } catch {
      await connection.close()
      throw error
    }
  }

  private func open(within limit: Duration) async throws(NATSError) {
    session.start()
    _ = try await perform(
      NATSOperation.Request(subject: session.configuration.inboxPrefix, payload: []),
      answers: .connection, within: limit)
  }

  /// Closes the connection. What waits on it fails with `closed`.
  package func close() { session.close() }

  /// What the present server has told about itself; nil without a connection.
  package var serverInfo: NATSInfo? { session.info }

  // MARK: Messages

  /// Sends a message, without waiting for any effect of it. `flush` waits for the server.
  ///
  /// - Throws: `NATSError`: `notSent` if there was no connection in time; `tooLarge`; `closed`;
  ///   `canceled`.
  package func publish(
    _ subject: NATSSubject, reply: NATSSubject? = nil, headers: NATSHeaders = NATSHeaders(),
    _ payload: [UInt8], within limit: Duration = .seconds(10)
  ) async throws(NATSError) {
    _ = try await perform(
      NATSOperation.Request(subject: subject, reply: reply, headers: headers, payload: payload),
      answers: .none, within: limit)
  }

  /// Waits until the server has handled everything that was sent before.
  ///
  /// - Throws: `NATSError` if the connection ends before.
  package func flush() async throws(NATSError) {
    let error = await withCheckedContinuation { (done: CheckedContinuation<NATSError?, Never>) in
      session.ping { done.resume(returning: $0) }
    }
    if let error { throw error }
  }

  /// Sends a request and waits for its answer.
  ///
  /// - Parameter limit: the time for everything, also for a connection.
  /// - Throws: `NATSError`: `noResponders` at once if nothing answers on the subject; `timedOut` and
  ///   `disconnected` if it is unknown whether the request has arrived; `notSent`, `tooLarge`,
  ///   `notPermitted`, `closed`, `canceled`.
  package func request(
    _ subject: NATSSubject, headers: NATSHeaders = NATSHeaders(), _ payload: [UInt8],
    within limit: Duration
  ) async throws(NATSError) -> NATSMessage {
    let answers = try await perform(
      NATSOperation.Request(subject: subject, headers: headers, payload: payload), answers: .shared,
      within: limit
    ) { message in
      guard message.headers.status?.code == NATSHeaders.Status.noResponders else {
        return .done(.success([message]))
      }
      return .done(.failure(NATSError(.noResponders, "nothing answers on '\(subject)'")))
    }
    guard let answer = answers.first else { preconditionFailure("an answer is a message") }
    return answer
  }

  /// Sends a request whose answers come to a subscription of its own, until `receive` says that it is
  /// over.
  ///
  /// - Parameters:
  ///   - limit: the time for the first answer.
  ///   - linger: for how long the last answer is expected after the task has ended the wait.
  ///   - late: called with that answer, on the loop.
  func requestMany(
    _ subject: NATSSubject, _ payload: [UInt8], within limit: Duration,
    linger: Duration = .zero, late: @escaping (NATSMessage) -> Void = { _ in },
    receive: @escaping (NATSMessage) -> NATSOperation.Step
  ) async throws(NATSError) -> [NATSMessage] {
    try await perform(
      NATSOperation.Request(subject: subject, payload: payload),
      answers: .own(linger: linger.nanoseconds, late: late),
      within: limit, receive: receive)
  }

  /// Sends a message at once if there is a connection, from a callback on the loop; else drops it.
  func publishNow(_ subject: String, _ payload: [UInt8]) {
    guard let subject = try? NATSSubject(subject), !subject.hasWildcards else { return }
    let operation = NATSOperation(
      id: session.makeID(), NATSOperation.Request(subject: subject, payload: payload),
      answers: .none
    ) { _ in }
    session.perform(operation, within: 0)
  }

  private func perform(
    _ request: NATSOperation.Request, answers: NATSOperation.Answers, within limit: Duration,
    receive: @escaping (NATSMessage) -> NATSOperation.Step = { .done(.success([$0])) }
  ) async throws(NATSError) -> [NATSMessage] {
    let id = session.makeID()
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation {
        (done: CheckedContinuation<Result<[NATSMessage], NATSError>, Never>) in
        let operation = NATSOperation(
          id: id, request, answers: answers, receive: receive,
          completion: { done.resume(returning: $0) })
        // The cancellation may have come first.
        guard !Task.isCancelled else {
          return operation.finish(.failure(NATSError(.canceled, "the task was canceled")))
        }
        session.perform(operation, within: limit.nanoseconds)
      }
    } onCancel: {
      // From now on it comes after the operation has begun, because both run on the loop.
      loop.execute { self.assumeIsolated { $0.session.cancel(id) } }
    }
    return try result.get()
  }

  // MARK: Subscriptions

  /// A subscription, which lasts over losses of the connection. Messages that are published meanwhile
  /// are missed.
  package struct Subscription: Sendable {
    fileprivate let id: UInt64
  }

  /// Subscribes to a subject, which may have wildcards. It holds once `flush` has returned.
  ///
  /// - Parameters:
  ///   - group: of the subscriptions with the same group, one gets each message.
  ///   - handler: called on the loop with each message, and once with the error after which none come:
  ///     `notPermitted` or `closed`. It must not block.
  package func subscribe(
    _ subject: NATSSubject, group: NATSSubject? = nil,
    _ handler: @escaping @Sendable (Result<NATSMessage, NATSError>) -> Void
  ) -> Subscription {
    let id = session.makeID()
    session.add(
      NATSSession.Subscription(subject: subject, group: group, handler: handler, isLasting: true),
      id: id)
    return Subscription(id: id)
  }

  /// Ends a subscription.
  package func unsubscribe(_ subscription: Subscription) { session.unsubscribe(subscription.id) }
}
