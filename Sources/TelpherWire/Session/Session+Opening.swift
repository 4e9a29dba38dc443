/// Proves one side of a connection to the other by a shared secret, and checks the other's proof
/// (docs/PROTOCOL.md, "Who may connect"). The session decides when to call it and with what.
package protocol ConnectionProver: Sendable {
  /// The proof of `role` over the payloads of both HELLOs: `WireConstants.proofLength` bytes.
  func proof(of role: Session.Role, over transcript: [UInt8]) -> [UInt8]
  /// Whether `proof` is the right proof of `role`. It takes the same time wherever the first
  /// difference is.
  func accepts(_ proof: [UInt8], of role: Session.Role, over transcript: [UInt8]) -> Bool
}

/// Decides whether signatures prove that a client may use this server (docs/PROTOCOL.md, "Who may
/// connect"). What they must cover is known to the transport.
package protocol SignatureVerifier: AnyObject {
  /// Whether the signatures in a client's HELLO are accepted. Called at most once for a connection.
  ///
  /// - Parameter user: the user in whose authorized_keys a key must be; any if nil.
  func accepts(_ signatures: [String], of user: String?) -> Bool
}

// The opening if a proof is required. Without a prover it consists of the two HELLOs only.
//
//     client                               server
//       HELLO (with a nonce) ───────────────▶
//                                    ◀────── HELLO (with a nonce), AUTH
//       AUTH, and all held-back frames ─────▶
extension Session {
  /// Handles the frames of the opening. The decoder lets no other frames pass before it is
  /// complete.
  mutating func receiveOpening(_ frame: FrameDecoder.Frame) throws(WireError) -> SessionEvent? {
    guard case .message(let header, let payload) = frame else {
      preconditionFailure("the decoder lets only HELLO, AUTH and GOAWAY be the first frames")
    }
    // A peer that is rejected gets a GOAWAY instead of a HELLO.
    if header.type == .goAway { return try receiveMessage(header, payload) }
    if let (hello, transcript) = unproven {
      return try receiveProof(payload, hello, transcript)
    }
    let hello = try Hello.decode(payload)
    if role == .server, hello.user != nil, hello.auth?.signatures == nil {
      throw WireError(.notAuthenticated, "HELLO: 'user' is for a client that proves an ssh key")
    }
    if let verifier {
      if let signatures = hello.auth?.signatures {
        guard verifier.accepts(signatures, of: hello.user) else {
          hasRefusedSignatures = true
          throw Self.wrongSignatures
        }
        return greet(hello)
      }
      guard prover != nil else { throw Self.noSignatures }
    }
    guard let prover else { return greet(hello) }
    guard hello.auth?.hasNonce == true else { throw Self.noProof(by: role.other) }
    let transcript = Self.transcript(
      client: role == .client ? localHello : payload, server: role == .server ? localHello : payload
    )
    unproven = (hello, transcript)
    decoder.awaitProof()
    // The server proves itself first. Its proof reveals nothing to an unknown client, and the
    // client sends its own proof only to a server that has proven itself.
    if role == .server {
      announce()
      append(.auth, stream: 0, prover.proof(of: .server, over: transcript))
    }
    return nil
  }

  private mutating func receiveProof(
    _ proof: [UInt8], _ hello: Hello, _ transcript: [UInt8]
  ) throws(WireError) -> SessionEvent? {
    guard let prover else { preconditionFailure("a proof is awaited only with a prover") }
    guard prover.accepts(proof, of: role.other, over: transcript) else {
      throw Self.wrongProof(by: role.other)
    }
    unproven = nil
    let event = greet(hello)
    guard role == .client else { return event }
    append(.auth, stream: 0, prover.proof(of: .client, over: transcript))
    output += held
    held = []
    return event
  }

  private mutating func greet(_ hello: Hello) -> SessionEvent {
    didReceiveHello(hello)
    return .hello(hello)
  }

  /// The bytes that a proof covers: the payloads of both HELLOs, each after its length (u32), so
  /// that no other pair of HELLOs gives the same bytes.
  private static func transcript(client: [UInt8], server: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    for hello in [client, server] {
      withUnsafeBytes(of: UInt32(hello.count).bigEndian) { bytes.append(contentsOf: $0) }
      bytes += hello
    }
    return bytes
  }

  private static let noSignatures = WireError(
    .notAuthenticated, "the client must prove who it is by an ssh key")

  /// The same whatever is wrong, so that a client can't find out which keys may use the server.
  private static let wrongSignatures = WireError(
    .notAuthenticated, "none of the client's ssh keys may use this server")

  private static func noProof(by peer: Role) -> WireError {
    switch peer {
    case .client:
      WireError(
        .notAuthenticated,
        "a TCP client must prove that it knows the server's token: pass the token's file with --token-file"
      )
    case .server:
      WireError(
        .notAuthenticated,
        "the server offers no proof that it knows the token, so nothing was sent to it: it may be another user's program, or an older Telpher"
      )
    }
  }

  private static func wrongProof(by peer: Role) -> WireError {
    switch peer {
    case .client: WireError(.notAuthenticated, "the client does not know this server's token")
    case .server:
      WireError(
        .notAuthenticated,
        "the token is not this server's: the server could not prove that it knows the token, so nothing was sent to it. It may use another token file, or it may be another user's program"
      )
    }
  }
}

extension Session.Role {
  /// The other end.
  var other: Session.Role {
    switch self {
    case .client: .server
    case .server: .client
    }
  }
}
