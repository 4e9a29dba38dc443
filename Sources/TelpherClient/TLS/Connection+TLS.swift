package import TelpherAccess
internal import TelpherForward
internal import TelpherKeys
internal import TelpherLink
package import TelpherTLS
package import TelpherTransport

extension Connection {
  /// How this client proves who it is, over TLS.
  package enum Proof: Sendable {
    /// By the server's token.
    case token(Token)
    /// By a certificate, which the handshake shows.
    case certificate(TLSContext.Certificate)
  }

  /// Connects to a server with TLS, and waits until both sides have proven who they are.
  ///
  /// - Parameter timeout: how long the server has to accept the connection and to complete the
  ///   handshake, and again to answer.
  /// - Throws: `ClientError`: `unreachable` if no server answers or TLS fails; what `hostKey` says;
  ///   `notAuthenticated` if the server does not accept the proof; `refused`.
  package static func connect(
    to address: TLSAddress, on loop: any EventLoop, hostKey: HostKeyCheck, proof: Proof,
    timeout: Duration? = nil
  ) async throws -> Connection {
    let connection = Connection(loop: loop)
    let timeout = timeout ?? defaultTimeout
    let context: TLSContext
    do throws(TransportError) {
      if case .certificate(let certificate) = proof {
        context = try TLSContext(client: certificate)
      } else {
        context = try TLSContext()
      }
    } catch {
      throw ClientError(.notAuthenticated, "the client certificate can't be used: \(error.message)")
    }
    try await connection.openProven(address, context, hostKey, proof, timeout)
    return connection
  }

  private func openProven(
    _ address: TLSAddress, _ context: TLSContext, _ hostKey: HostKeyCheck, _ proof: Proof,
    _ timeout: Duration
  ) async throws {
    for attempt in 1... {
      try await open(address, context, hostKey, proof, timeout)
      do {
        _ = try await session.hello()
        return
      } catch  where session.wasRefusedByLimit && attempt < Self.attempts {
        await pause(Self.firstPause << UInt64(attempt - 1))
      }
    }
  }

  private func open(
    _ address: TLSAddress, _ context: TLSContext, _ hostKey: HostKeyCheck, _ proof: Proof,
    _ timeout: Duration
  ) async throws {
    try await withWaitingTask { (done: WaitingTask<Void>) in
      let attempt = TLSAttempt(hostKey, on: loop) { result in
        switch result {
        case .success((let stream, let binding)):
          self.start(
            stream, timeout: timeout, isSocket: true, prover: Self.prover(proof, binding))
          done.resume()
        case .failure(let error): done.resume(throwing: error)
        }
      }
      attempt.start(address, context, limit: Self.nanoseconds(timeout))
    }
  }

  private static func prover(_ proof: Proof, _ binding: ChannelBinding) -> TokenProver? {
    switch proof {
    case .token(let token): TokenProver(token, channelBinding: binding.bytes)
    case .certificate: nil
    }
  }
}

/// One attempt to connect with TLS. It keeps itself alive until its completion was called.
private final class TLSAttempt {
  typealias Outcome = Result<(TLSStream, ChannelBinding), ClientError>

  private let hostKey: HostKeyCheck
  private let loop: any EventLoop
  private var completion: ((Outcome) -> Void)?
  private var stream: TLSStream?
  private var timer: (any LoopTimer)?
  /// The server's key, once it was shown.
  private var key: SSHPublicKey?
  /// Why the key was refused.
  private var refusal: ClientError?

  /// - Parameter completion: called once, on the loop.
  init(
    _ hostKey: HostKeyCheck, on loop: any EventLoop, _ completion: @escaping (Outcome) -> Void
  ) {
    self.hostKey = hostKey
    self.loop = loop
    self.completion = completion
  }

  func start(_ address: TLSAddress, _ context: TLSContext, limit: UInt64) {
    timer = loop.schedule(after: limit) { [self] in
      finish(
        .failure(
          ClientError(
            .unreachable, "connect to \(address): no answer within \(limit / 1_000_000) ms")))
    }
    SocketDial.connect(
      to: address.socket, on: loop, lookup: HostLookup(limit: 1), limit: limit
    ) { [self] result in
      switch result {
      case .success(let lower):
        // It is too late after the time limit.
        if completion == nil { lower.close() } else { greet(lower, context, address) }
      case .failure(let error): finish(.failure(Connection.error(error)))
      }
    }
  }

  private func greet(_ lower: any ByteStream, _ context: TLSContext, _ address: TLSAddress) {
    let stream = TLSStream(over: lower, context, on: loop, memory: TLSMemory()) { [self] raw in
      guard let shown = SSHPublicKey(ed25519: raw) else { return false }
      key = shown
      refusal = hostKey.refusal(shown)
      return refusal == nil
    }
    self.stream = stream
    stream.onHandshake = { [self] result in
      switch result {
      case .success:
        guard let key, let binding = stream.channelBinding else {
          preconditionFailure("the handshake has checked the key, and is complete")
        }
        hostKey.didProve(key)
        finish(.success((stream, binding)))
      case .failure(let error):
        finish(
          .failure(
            refusal
              ?? ClientError(
                .unreachable,
                "connect to \(address): \(error.message); it may be no Telpher server with TLS")))
      }
    }
    stream.startHandshake()
  }

  private func finish(_ outcome: Outcome) {
    guard let completion else { return }
    self.completion = nil
    timer?.cancel()
    if case .failure = outcome { stream?.close() }
    stream = nil
    completion(outcome)
  }
}
