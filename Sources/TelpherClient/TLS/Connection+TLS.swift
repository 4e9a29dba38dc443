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
    /// By ssh keys and, if the server takes none of them, by the token.
    case keys(KeyRing, orToken: Token?)
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
    try await connect(
      along: .network(address), on: loop, hostKey: hostKey, proof: proof, timeout: timeout)
  }

  /// Connects to a server behind a hub with TLS, and waits until both sides have proven who they are.
  ///
  /// - Parameters:
  ///   - hub: the connection to the hub, which is used for nothing else. It closes with the new one.
  ///   - timeout: as for a server that listens with TLS.
  /// - Throws: `ClientError`, as for a server that listens with TLS. The connection to the hub is closed
  ///   then.
  package static func connect(
    to address: HubAddress, over hub: Connection, hostKey: HostKeyCheck, proof: Proof,
    timeout: Duration? = nil
  ) async throws -> Connection {
    do {
      let connection = try await connect(
        along: .hub(address, hub), on: hub.loop, hostKey: hostKey, proof: proof, timeout: timeout)
      await hub.closeAfterTunnels()
      return connection
    } catch {
      await hub.close()
      throw error
    }
  }

  private static func connect(
    along address: TLSWay, on loop: any EventLoop, hostKey: HostKeyCheck, proof: Proof,
    timeout: Duration?
  ) async throws -> Connection {
    var proof = proof
    if address.user != nil {
      guard case .keys(let ring, _) = proof else {
        throw ClientError(
          .notAuthenticated,
          "\(address) names a user, but a token or a certificate belongs to no user: leave the user out, or use an ssh key"
        )
      }
      proof = .keys(ring, orToken: nil)
    }
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
    _ address: TLSWay, _ context: TLSContext, _ hostKey: HostKeyCheck, _ proof: Proof,
    _ timeout: Duration
  ) async throws {
    var refusal: ClientError?
    for signers in try await Self.signers(proof) {
      let stream = try await dial(address, context, hostKey, proof, signers, timeout)
      do {
        _ = try await session.hello()
        return
      } catch {
        if let refusal = Self.refusal(by: stream.peerAlert, of: address) { throw refusal }
        guard let error = error as? ClientError, error.code == .notAuthenticated else {
          throw error
        }
        // The server takes none of these keys. It does not say which one it would take.
        refusal = error
      }
    }
    let token: Token?
    switch proof {
    case .keys(_, let other): token = other
    case .token(let only): token = only
    case .certificate: token = nil
    }
    if let refusal, token == nil { throw refusal }
    let last = token.map(Proof.token) ?? proof
    for attempt in 1... {
      let stream = try await dial(address, context, hostKey, last, [], timeout)
      do {
        _ = try await session.hello()
        return
      } catch {
        if let refusal = Self.refusal(by: stream.peerAlert, of: address) { throw refusal }
        guard session.wasRefusedByLimit && attempt < Self.attempts else { throw error }
        await pause(Self.firstPause << UInt64(attempt - 1))
      }
    }
  }

  /// What an alert of the server means for the user; nil if it says nothing about the client.
  fileprivate static func refusal(by alert: TLSAlert?, of address: TLSWay) -> ClientError? {
    let reason: String
    switch alert {
    case .certificateRequired:
      reason =
        "it requires a client certificate: name yours with --client-cert and its private key with --client-key"
    case .unknownAuthority:
      reason =
        "it does not know the authority that has signed your certificate (--client-cert): use one of an authority in the server's --client-ca file"
    case .certificateExpired:
      reason = "your certificate (--client-cert) has expired, or is not valid yet: get a new one"
    case .certificateRevoked:
      reason = "your certificate (--client-cert) was revoked: get a new one"
    case .badCertificate:
      reason =
        "it can't use your certificate (--client-cert), for example because it is not one for clients"
    case .accessDenied:
      reason =
        "too many connections from your address have failed to authenticate. Wait for some minutes, at most 10, and check the key, certificate or token that you use"
    case .other, nil: return nil
    }
    return ClientError(.notAuthenticated, "\(address) refuses this client: \(reason)")
  }

  /// The keys to prove in each attempt to connect; none for another proof.
  private static func signers(_ proof: Proof) async throws -> [[KeyRing.Signer]] {
    guard case .keys(let ring, let token) = proof else { return [] }
    do {
      return try await blocking { () throws(KeyError) in try ring.attempts() }
    } catch {
      // Without a key the token may do.
      if token != nil { return [] }
      throw error
    }
  }

  /// Connects, and begins the protocol with the proof.
  ///
  /// - Parameter signers: the keys to sign with, if that is the proof.
  /// - Returns: the stream, which says later why the server may have ended it.
  private func dial(
    _ address: TLSWay, _ context: TLSContext, _ hostKey: HostKeyCheck, _ proof: Proof,
    _ signers: [KeyRing.Signer], _ timeout: Duration
  ) async throws -> TLSStream {
    let (stream, binding) = try await greet(address, context, hostKey, timeout)
    switch proof {
    case .token(let token):
      start(
        stream, timeout: timeout, isSocket: true,
        prover: TokenProver(token, channelBinding: binding.bytes))
    case .certificate: start(stream, timeout: timeout, isSocket: true)
    case .keys(let ring, _):
      let bytes = binding.bytes
      do {
        let signatures = try await Self.blocking { () throws(KeyError) in
          try ring.sign(bytes, signers)
        }
        start(stream, timeout: timeout, isSocket: true, signatures: signatures, user: address.user)
      } catch {
        stream.close()
        throw error
      }
    }
    return stream
  }

  private func greet(
    _ address: TLSWay, _ context: TLSContext, _ hostKey: HostKeyCheck, _ timeout: Duration
  ) async throws -> (TLSStream, ChannelBinding) {
    let box = try await withWaitingTask { (done: WaitingTask<Greeted>) in
      let attempt = TLSAttempt(hostKey, on: loop) { result in
        switch result {
        case .success((let stream, let binding)):
          done.resume(returning: Greeted(stream: stream, binding: binding))
        case .failure(let error): done.resume(throwing: error)
        }
      }
      attempt.start(address, context, limit: Self.nanoseconds(timeout))
    }
    return (box.stream, box.binding)
  }

  /// A stream whose handshake is complete. It is used on the loop's thread only.
  private struct Greeted: @unchecked Sendable {
    let stream: TLSStream
    let binding: ChannelBinding
  }

  /// Runs `body`, which may wait for the user, on a thread of its own.
  ///
  /// - Throws: `ClientError` (`notAuthenticated`) with the message of its error.
  private static func blocking<Value: Sendable>(
    _ body: @escaping @Sendable () throws(KeyError) -> Value
  ) async throws -> Value {
    try await withWaitingTask { (done: WaitingTask<Value>) in
      let number = startThread {
        do throws(KeyError) {
          done.resume(returning: try body())
        } catch {
          done.resume(throwing: ClientError(.notAuthenticated, error.description))
        }
      }
      guard number != 0 else { return }
      done.resume(
        throwing: ClientError(
          .notAuthenticated, "cannot start a thread to sign: \(describe(errno: number))"))
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
  /// The way through the hub, if there is one.
  private var tunnel: HubTunnel?
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

  func start(_ address: TLSWay, _ context: TLSContext, limit: UInt64) {
    timer = loop.schedule(after: limit) { [self] in
      finish(
        .failure(
          ClientError(
            .unreachable, "connect to \(address): no answer within \(limit / 1_000_000) ms")))
    }
    switch address {
    case .network(let network):
      SocketDial.connect(
        to: network.socket, on: loop, lookup: HostLookup(limit: 1), limit: limit
      ) { [self] result in
        switch result {
        case .success(let lower):
          // It is too late after the time limit.
          if completion == nil { lower.close() } else { greet(lower, context, address) }
        case .failure(let error): finish(.failure(Connection.error(error)))
        }
      }
    case .hub(let target, let hub):
      nonisolated(unsafe) let attempt = self
      hub.assumeIsolated { hub in
        do throws(ClientError) {
          let tunnel = try hub.openTunnel(to: target.name)
          attempt.tunnel = tunnel
          attempt.greet(tunnel.stream, context, address)
        } catch {
          attempt.finish(.failure(Self.unreachable(error, address)))
        }
      }
    }
  }

  /// The error of a connection through a hub that was not opened. Nothing was sent to the server.
  private static func unreachable(_ error: ClientError, _ address: TLSWay) -> ClientError {
    let isLost = error.code == .lost || error.code == .reset
    return ClientError(
      isLost ? .unreachable : error.code, "connect to \(address): \(error.message)")
  }

  private func greet(_ lower: any ByteStream, _ context: TLSContext, _ address: TLSWay) {
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
              ?? Connection.refusal(by: stream.peerAlert, of: address)
              ?? tunnel?.failure.map { Self.unreachable($0, address) }
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
