internal import CTelpherCrypto
internal import Glibc
package import TelpherTransport
package import TelpherWire

/// Proves that this side knows a token and checks that the peer knows it too. A proof is an
/// HMAC-SHA256 over both HELLO payloads, the role and the address (docs/PROTOCOL.md, "Who may
/// connect").
///
/// - It covers both HELLOs, each with a fresh nonce: a proof is useless on another connection, and
///   any change to a HELLO is detected.
/// - It covers the role: a proof can't be sent back to the side that made it.
/// - It covers the address: a program that listens on another port can't relay the proofs to the
///   server and take over the connection. Over TLS it covers the channel binding instead, which is
///   another one on each connection.
package struct TokenProver: ConnectionProver {
  private let token: Token
  /// The address, or the channel binding.
  private let place: String

  /// A prover for connections to `address`. Both sides must use the same host and port.
  package init(_ token: Token, at address: SocketAddress) {
    self.token = token
    place = address.provenName
  }

  /// A prover for one TLS connection.
  ///
  /// - Parameter channelBinding: the value that only the two ends of the connection know.
  package init(_ token: Token, channelBinding: [UInt8]) {
    self.token = token
    place = "tls \(Hexadecimal.text(channelBinding))"
  }

  package func proof(of role: Session.Role, over transcript: [UInt8]) -> [UInt8] {
    let name =
      switch role {
      case .client: "client"
      case .server: "server"
      }
    let message = Array("telpher \(name) v1\n\(place)\n".utf8) + transcript
    var code = [UInt8](repeating: 0, count: WireConstants.proofLength)
    let isMade = telpher_hmac_sha256(
      token.bytes, token.bytes.count, message, message.count, &code)
    guard isMade == 1 else { preconditionFailure("libcrypto always has SHA-256") }
    return code
  }

  package func accepts(_ proof: [UInt8], of role: Session.Role, over transcript: [UInt8]) -> Bool {
    let expected = self.proof(of: role, over: transcript)
    guard proof.count == expected.count else { return false }
    return telpher_equal_in_constant_time(proof, expected, expected.count) == 1
  }
}

extension Hello.Auth {
  /// A new random nonce, which starts a proof by token.
  package static func fresh() -> Hello.Auth {
    Hello.Auth(nonce: Hexadecimal.text(RandomBytes.make(WireConstants.nonceLength)))
  }
}

extension SocketAddress {
  /// The name under which both sides put the address into a proof: a numeric host or CID and the
  /// port, or a Unix path.
  var provenName: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .tcp(let host, let port): "\(Self.canonical(host)):\(port)"
    case .vsock(let machine, let port): "vsock:\(machine.rawValue):\(port)"
    }
  }

  /// `host` in the canonical form of inet_ntop(3).
  private static func canonical(_ host: String) -> String {
    let host = host == "localhost" ? "127.0.0.1" : host
    var address = in6_addr()
    for family in [AF_INET, AF_INET6] where inet_pton(family, host, &address) == 1 {
      var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
      guard inet_ntop(family, &address, &text, socklen_t(text.count)) != nil else { break }
      return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }
    return host
  }
}
