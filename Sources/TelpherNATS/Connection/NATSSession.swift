internal import TelpherForward
internal import TelpherTransport

/// The connection to one of the servers, and another one after its end, with everything that waits on
/// it. Use it only on its loop's thread.
///
/// Nothing is sent twice: an operation that was sent when the connection ended fails with
/// `disconnected`; one that was not sent waits for the next connection until its time is over.
final class NATSSession {
  enum State {
    /// `start` was not called. Next: `connecting`.
    case new
    /// A server is asked. Next: `open`, `pausing`, `closed`.
    case connecting(NATSAttempt)
    /// The connection may be used. Next: `pausing`, `closed`.
    case open(any ByteStream)
    /// Until the next attempt. Next: `connecting`, `closed`.
    case pausing(any LoopTimer)
    /// Nothing follows. Final.
    case closed(NATSError)
  }

  /// A subscription.
  struct Subscription {
    let subject: NATSSubject
    let group: NATSSubject?
    /// Called with each message, and once with an error if no more come.
    let handler: (Result<NATSMessage, NATSError>) -> Void
    /// Whether it lasts longer than a connection.
    let isLasting: Bool
  }

  let configuration: NATSConfiguration
  let loop: any EventLoop
  var state = State.new
  private let lookup = HostLookup(limit: 1)
  private var decoder = NATSDecoder()
  private(set) var info: NATSInfo?
  var encoder = NATSEncoder()
  private var isFlushScheduled = false
  private var isPausedForPeer = false

  var lastID: UInt64 = 1
  var operations: [UInt64: NATSOperation] = [:]
  /// The operations that were not sent yet, the oldest first, and perhaps some that are over.
  var waiting: [UInt64] = []
  var subscriptions: [UInt64: Subscription] = [:]
  /// What waits for each PONG, the oldest first.
  private var pongs: [(NATSError?) -> Void] = []
  private var pingTimer: (any LoopTimer)?
  private var nextServer: Int
  private var backoff: NATSBackoff
  private var openedAt: UInt64 = 0
  private var hasBeenOpen = false
  /// Why the last attempt or connection failed.
  var lastFailure: NATSError?

  /// The subject before the number of an operation, at which its answers arrive.
  let inbox: String
  /// The number of the subscription for all answers.
  private static let inboxSubscription: UInt64 = 1

  init(_ configuration: NATSConfiguration, on loop: any EventLoop) {
    self.configuration = configuration
    self.loop = loop
    // No other client may guess or share it.
    let random = (0..<2).map { _ in String(UInt64.random(in: 0 ... .max), radix: 36) }.joined()
    inbox = "\(configuration.inboxPrefix).\(random)"
    nextServer = Int.random(in: 0..<configuration.servers.count)
    backoff = NATSBackoff(first: configuration.firstPause, longest: configuration.longestPause)
  }

  // MARK: The connection

  /// Begins to connect.
  func start() {
    guard case .new = state else { return }
    subscriptions[Self.inboxSubscription] = Subscription(
      subject: NATSSubject(stringLiteral: "\(inbox).*"), group: nil,
      handler: { [weak self] result in
        if case .success(let message) = result { self?.didReceiveAnswer(message) }
      }, isLasting: true)
    connect()
  }

  private func connect() {
    let address = configuration.servers[nextServer]
    nextServer = (nextServer + 1) % configuration.servers.count
    let attempt = NATSAttempt(address, configuration, on: loop) { [weak self] result in
      guard let self else { return }
      switch result {
      case .success(let attempt): didOpen(attempt)
      case .failure(let error):
        // Later the servers may have lost their settings for a while, but at first it is a mistake.
        if error.code == .notAuthorized, !hasBeenOpen { return close(error) }
        pause(error)
      }
    }
    state = .connecting(attempt)
    attempt.start(lookup)
  }

  private func didOpen(_ attempt: NATSAttempt) {
    let opened = attempt.take()
    info = opened.info
    let stream = opened.stream
    decoder = opened.decoder
    state = .open(stream)
    hasBeenOpen = true
    openedAt = loop.now
    encoder = NATSEncoder()
    for (id, subscription) in subscriptions.sorted(by: { $0.key < $1.key }) {
      encoder.subscribe(subscription.subject, group: subscription.group, id: id)
    }
    stream.onRead = { [weak self] chunk in
      guard let self else { return }
      chunk.withUnsafeBytes { decoder.receive($0) }
      handleEvents()
    }
    stream.onEnd = { [weak self] error in
      self?.didLose(
        NATSError(.disconnected, error?.message ?? "the NATS server has closed the connection"))
    }
    stream.onWriteFailure = { [weak self] error in
      self?.didLose(NATSError(.disconnected, error.message))
    }
    stream.onWritable = { [weak self] in self?.didBecomeWritable() }
    schedulePing()
    flush()
    sendWaiting()
    handleEvents()
    if case .open = state { stream.resumeReading() }
  }

  private func didLose(_ error: NATSError) {
    guard case .open(let stream) = state else { return }
    stream.close()
    if loop.now - openedAt >= backoff.longest { backoff.reset() }
    pause(error)
    decoder = NATSDecoder()
    (isPausedForPeer, info) = (false, nil)
    encoder = NATSEncoder()
    pingTimer?.cancel()
    let lost = NATSError(
      .disconnected, "the connection to the NATS server was lost: \(error.message)")
    for (id, subscription) in subscriptions where !subscription.isLasting {
      subscriptions[id] = nil
      subscription.handler(.failure(lost))
    }
    for operation in operations.values where !operation.isWaiting {
      finish(operation, .failure(lost))
    }
    failPongs(lost)
  }

  private func pause(_ error: NATSError) {
    lastFailure = error
    state = .pausing(
      loop.schedule(after: backoff.next()) { [weak self] in
        guard let self, case .pausing = state else { return }
        connect()
      })
  }

  /// Ends everything. What waits fails with `error`.
  func close(
    _ error: NATSError = NATSError(.closed, "the connection to the NATS server was closed")
  ) {
    switch state {
    case .closed: return
    case .new: break
    case .connecting(let attempt): attempt.cancel()
    case .open(let stream): stream.close()
    case .pausing(let timer): timer.cancel()
    }
    state = .closed(error)
    pingTimer?.cancel()
    for operation in operations.values { finish(operation, .failure(error)) }
    let ended = subscriptions
    subscriptions = [:]
    for subscription in ended.values { subscription.handler(.failure(error)) }
    failPongs(error)
  }

  private func failPongs(_ error: NATSError) {
    let waiting = pongs
    pongs = []
    for pong in waiting { pong(error) }
  }

  // MARK: Reading

  private func handleEvents() {
    do throws(NATSError) {
      while case .open = state, let event = try decoder.next() { try handle(event) }
    } catch {
      didLose(error)
    }
  }

  private func handle(_ event: NATSEvent) throws(NATSError) {
    switch event {
    case .info(let news): info = news
    case .message(let message): subscriptions[message.subscription]?.handler(.success(message))
    case .ping:
      encoder.pong()
      scheduleFlush()
    case .pong:
      guard !pongs.isEmpty else {
        throw NATSError(.violation, "the NATS server sent a PONG without a PING")
      }
      pongs.removeFirst()(nil)
    case .ok: break
    case .error(let text): handle(refusal: text)
    }
  }

  /// A refusal of one subject concerns what uses it; after another error the server closes the
  /// connection.
  private func handle(refusal text: String) {
    let error = NATSError(.notPermitted, "the NATS server refuses: \(text)")
    guard let subject = NATSRefusal(text) else {
      lastFailure = error
      return
    }
    switch subject {
    case .publish(let subject):
      for operation in operations.values
      where !operation.isWaiting && operation.request.subject.text == subject {
        finish(operation, .failure(error))
      }
    case .subscription(let subject):
      for (id, subscription) in subscriptions where subscription.subject.text == subject {
        subscriptions[id] = nil
        subscription.handler(.failure(error))
      }
    }
  }

  // MARK: Writing

  /// Whether a connection is open that has room.
  var isReady: Bool {
    guard case .open(let stream) = state else { return false }
    return stream.queuedBytes + encoder.bytes.count < NATSLimits.waitingBytes
  }

  func sendWaiting() {
    guard !waiting.isEmpty, isReady else { return }
    var handled = 0
    while handled < waiting.count, isReady {
      if let operation = operations[waiting[handled]], operation.isWaiting { send(operation) }
      handled += 1
    }
    waiting.removeFirst(handled)
  }

  private func didBecomeWritable() {
    if isPausedForPeer, case .open(let stream) = state {
      isPausedForPeer = false
      stream.resumeReading()
    }
    sendWaiting()
  }

  /// Sends at the end of the loop's turn what was gathered in it, with one call.
  func scheduleFlush() {
    guard !isFlushScheduled else { return }
    isFlushScheduled = true
    loop.atEndOfTurn(self)
  }

  private func flush() {
    guard case .open(let stream) = state, !encoder.isEmpty else { return }
    encoder.take().withUnsafeBytes { _ = stream.write($0, nil) }
    // A server that asks but does not read must not fill this memory with answers.
    if stream.queuedBytes >= NATSLimits.waitingBytes {
      isPausedForPeer = true
      stream.pauseReading()
    }
  }

  // MARK: Liveness

  /// Calls `done` when the server has handled everything that was sent before.
  func ping(_ done: @escaping (NATSError?) -> Void) {
    guard case .open = state else {
      return done(
        lastFailure ?? NATSError(.disconnected, "there is no connection to a NATS server"))
    }
    encoder.ping()
    pongs.append(done)
    scheduleFlush()
  }

  private func schedulePing() {
    var unanswered = 0
    func next() {
      pingTimer = loop.schedule(after: configuration.pingInterval.nanoseconds) { [weak self] in
        guard let self, case .open = state else { return }
        guard unanswered < NATSLimits.unansweredPings else {
          return didLose(NATSError(.disconnected, "the NATS server does not answer"))
        }
        unanswered += 1
        ping { if $0 == nil { unanswered = 0 } }
        next()
      }
    }
    next()
  }
}

extension NATSSession: TurnEndTask {
  func turnDidEnd() {
    isFlushScheduled = false
    flush()
    // What waits for room is sent when the stream is writable again; without a queue that is now.
    sendWaiting()
  }
}
