internal import CTelpherTLS
package import TelpherTransport

/// What all TLS connections of one kind share: the key of a server, or what a client shows. It may
/// be used on several threads.
///
/// Only TLS 1.3 is spoken, without resumption, early data and renegotiation. The keys are agreed on
/// with X25519, or with X25519MLKEM768 if the libraries of both ends have it. AES-128-GCM is the
/// first choice, or ChaCha20 if the processor has no instructions for AES.
///
/// `@unchecked Sendable`: the library protects its context, which is complete after `init`.
package final class TLSContext: @unchecked Sendable {
  /// The role of this side.
  package enum Role: Sendable {
    /// Connects, and decides whether it trusts the server's key.
    case client
    /// Accepts, and proves that it has its host key.
    case server
  }

  /// The role of the connections.
  package let role: Role
  /// Whether a client trusts authorities, and so checks the name of each host, instead of asking its
  /// owner about the server's key.
  package let trustsAuthorities: Bool
  let context: OpaquePointer

  /// A certificate that a client shows, with its private key.
  package struct Certificate: Sendable {
    /// The client's certificate and then those of the authorities between it and the one that the
    /// server knows, in PEM.
    package var chain: [UInt8]
    /// The private key in PEM, without a passphrase.
    package var key: [UInt8]

    /// A certificate with its key.
    package init(chain: [UInt8], key: [UInt8]) { (self.chain, self.key) = (chain, key) }
  }

  /// Which client certificates a server accepts.
  package struct ClientAuthorities: Sendable {
    /// The authorities that sign certificates of clients, in PEM.
    package var certificates: [UInt8]
    /// Certificate revocation lists in PEM: one of each authority in a client's chain. Nil to accept
    /// revoked certificates.
    package var revocationLists: [UInt8]?
    /// Whether a client without a certificate is refused in the handshake.
    package var isRequired: Bool

    /// A choice of authorities.
    package init(certificates: [UInt8], revocationLists: [UInt8]? = nil, isRequired: Bool = false) {
      self.certificates = certificates
      self.revocationLists = revocationLists
      self.isRequired = isRequired
    }
  }

  /// Makes a context for a server.
  ///
  /// - Throws: `TransportError` with what is wrong with the authorities.
  package init(
    server key: HostKey, clients: ClientAuthorities? = nil
  ) throws(TransportError) {
    role = .server
    trustsAuthorities = false
    context = try Self.make { message in
      key.withPEM { telpher_tls_server_context($0, $1, message) }
    }
    guard let clients else { return }
    try Self.check { message in
      clients.certificates.withChars { certificates, certificateCount in
        // The zero byte gives a list without bytes an address: it must not count as no list.
        let lists = clients.revocationLists.map { $0 + [0] }
        return (lists ?? []).withChars { bytes, count in
          telpher_tls_ask_certificate(
            context, certificates, certificateCount, lists == nil ? nil : bytes, max(count - 1, 0),
            clients.isRequired ? 1 : 0, message)
        }
      }
    }
  }

  /// Makes a context for clients.
  ///
  /// - Throws: `TransportError` with what is wrong with the certificate.
  package init(client certificate: Certificate? = nil) throws(TransportError) {
    role = .client
    trustsAuthorities = false
    context = try Self.make { telpher_tls_client_context($0) }
    guard let certificate else { return }
    try Self.check { message in
      certificate.chain.withChars { chain, chainCount in
        certificate.key.withChars { key, keyCount in
          telpher_tls_use_certificate(context, chain, chainCount, key, keyCount, message)
        }
      }
    }
  }

  /// Makes a context for clients of servers that show a certificate for their host, such as those of
  /// other programs.
  ///
  /// - Parameter authorities: those that sign the servers' certificates, in PEM; nil for those that
  ///   this system trusts.
  /// - Throws: `TransportError` with what is wrong with the authorities.
  package init(clientOf authorities: [UInt8]?) throws(TransportError) {
    role = .client
    trustsAuthorities = true
    if let authorities, authorities.isEmpty {
      throw TransportError(.system, "it holds no certificate in PEM")
    }
    context = try Self.make { message in
      (authorities ?? []).withChars { telpher_tls_authority_client_context($0, $1, message) }
    }
  }

  deinit { telpher_tls_context_free(context) }

  private static func make(
    _ body: (UnsafeMutablePointer<CChar>) -> OpaquePointer?
  ) throws(TransportError) -> OpaquePointer {
    var made: OpaquePointer?
    try check { message in
      made = body(message)
      return made == nil ? 0 : 1
    }
    guard let made else { preconditionFailure("`check` has thrown") }
    return made
  }

  private static func check(
    _ body: (UnsafeMutablePointer<CChar>) -> Int32
  ) throws(TransportError) {
    var message = [CChar](repeating: 0, count: Int(TELPHER_TLS_MESSAGE_MAX))
    let (isDone, text) = message.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress else { preconditionFailure("it has room") }
      return (body(start) == 1, String(cString: start))
    }
    guard isDone else { throw TransportError(.system, text) }
  }
}

extension Array where Element == UInt8 {
  /// Calls `body` with the bytes as characters of C and their number.
  func withChars<Result>(_ body: (UnsafePointer<CChar>?, Int) -> Result) -> Result {
    withUnsafeBytes { bytes in
      body(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
    }
  }
}
