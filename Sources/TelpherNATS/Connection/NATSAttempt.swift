internal import TelpherForward
internal import TelpherTLS
internal import TelpherTransport

/// One attempt to connect to one server, until it has accepted the client. Use it only on its loop's
/// thread.
final class NATSAttempt {
  /// A connection that may be used.
  struct Opened {
    let stream: any ByteStream
    /// It may hold bytes that have arrived already.
    let decoder: NATSDecoder
    let info: NATSInfo
  }

  private enum Stage {
    /// The TCP connection. Next: `greeting`, `over`.
    case dialing(SocketDial)
    /// INFO, TLS and CONNECT. Next: `over`.
    case greeting(any ByteStream)
    /// The completion was called, or the attempt was canceled. Final.
    case over
  }

  private let address: NATSAddress
  private let configuration: NATSConfiguration
  private let loop: any EventLoop
  private let completion: (Result<NATSAttempt, NATSError>) -> Void
  private var stage: Stage = .over
  private var timer: (any LoopTimer)?
  private var greeting: NATSGreeting
  private var decoder = NATSDecoder()
  private var accepted: NATSInfo?

  /// An attempt that has not begun.
  ///
  /// - Parameter completion: called once on the loop, unless the attempt is canceled before. On success
  ///   `take()` gives the connection, and must be called at once.
  init(
    _ address: NATSAddress, _ configuration: NATSConfiguration, on loop: any EventLoop,
    _ completion: @escaping (Result<NATSAttempt, NATSError>) -> Void
  ) {
    self.address = address
    self.configuration = configuration
    self.loop = loop
    self.completion = completion
    greeting = NATSGreeting(
      requiresTLS: address.requiresTLS, mayUseTLS: configuration.trust != nil,
      credentials: configuration.credentials, name: configuration.name)
  }

  /// Begins. The completion comes later, never from within this call.
  func start(_ lookup: HostLookup) {
    timer = loop.schedule(after: NATSLimits.greeting) { [weak self] in
      self?.fail(
        NATSError(
          .unreachable, "no answer within \(NATSLimits.greeting / 1_000_000_000) s"))
    }
    stage = .dialing(
      SocketDial.connect(to: address.socket, on: loop, lookup: lookup, limit: NATSLimits.greeting) {
        [weak self] result in
        guard let self, case .dialing = stage else {
          if case .success(let stream) = result { stream.close() }
          return
        }
        switch result {
        case .success(let stream): greet(stream)
        case .failure(let error): fail(NATSError(.unreachable, error.message))
        }
      })
  }

  /// Gives the attempt up. The completion is not called any more.
  func cancel() { end() }

  /// The connection, after success. It is paused, and its callbacks are free.
  func take() -> Opened {
    guard case .greeting(let stream) = stage, let accepted else {
      preconditionFailure("the attempt has succeeded")
    }
    stage = .over
    timer?.cancel()
    stream.pauseReading()
    (stream.onRead, stream.onEnd, stream.onWritable, stream.onWriteFailure) = (nil, nil, nil, nil)
    return Opened(stream: stream, decoder: decoder, info: accepted)
  }

  private func greet(_ stream: any ByteStream) {
    stage = .greeting(stream)
    stream.onRead = { [weak self] chunk in
      guard let self else { return }
      chunk.withUnsafeBytes { decoder.receive($0) }
      handleEvents()
    }
    stream.onEnd = { [weak self] error in
      self?.fail(
        NATSError(
          .unreachable, error?.message ?? "the server has closed the connection at once"))
    }
    stream.onWriteFailure = { [weak self] error in
      self?.fail(NATSError(.unreachable, error.message))
    }
    stream.resumeReading()
  }

  private func handleEvents() {
    do throws(NATSError) {
      while case .greeting = stage, accepted == nil, let event = try decoder.next() {
        try perform(try greeting.receive(event))
      }
    } catch {
      fail(error)
    }
  }

  private func perform(_ action: NATSGreeting.Action) throws(NATSError) {
    guard case .greeting(let stream) = stage else { return }
    switch action {
    case .wait: break
    case .send(let bytes): bytes.withUnsafeBytes { _ = stream.write($0, nil) }
    case .open(let info):
      accepted = info
      completion(.success(self))
    case .secure:
      // What came in plain text after the INFO must not be taken for a part of the safe connection.
      guard !decoder.hasRest else {
        throw NATSError(.violation, "the NATS server sent bytes between INFO and TLS")
      }
      try secure(stream)
    }
  }

  private func secure(_ lower: any ByteStream) throws(NATSError) {
    lower.pauseReading()
    let context: TLSContext
    do throws(TransportError) {
      switch configuration.trust {
      case .authorities(let pem): context = try TLSContext(clientOf: pem)
      case .systemAuthorities: context = try TLSContext(clientOf: nil)
      case nil: preconditionFailure("the greeting has checked it")
      }
    } catch {
      throw NATSError(
        .badAddress, "the authorities for the NATS server can't be used: \(error.message)")
    }
    let stream = TLSStream(over: lower, context, on: loop, memory: TLSMemory(), host: address.host)
    stage = .greeting(stream)
    stream.onHandshake = { [weak self] result in
      guard let self, case .greeting = stage else { return }
      do throws(NATSError) {
        if case .failure(let error) = result { throw NATSError(.unreachable, error.message) }
        greet(stream)
        try perform(try greeting.didSecure())
      } catch {
        fail(error)
      }
    }
    stream.startHandshake()
  }

  private func fail(_ error: NATSError) {
    if case .over = stage { return }
    end()
    completion(
      .failure(
        NATSError(error.code, "connect to \(address): \(error.message)", number: error.number)))
  }

  private func end() {
    timer?.cancel()
    switch stage {
    case .dialing(let dial): dial.cancel()
    case .greeting(let stream): stream.close()
    case .over: break
    }
    stage = .over
  }
}
