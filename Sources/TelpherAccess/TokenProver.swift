internal import CTelpherCrypto
internal import Glibc
public import TelpherTransport
public import TelpherWire

/// Proves that this side knows a token, and checks that the other one does: by HMAC-SHA256 over what
/// both have said, the address included (docs/PROTOCOL.md, "Who may connect").
///
/// - Both HELLOs are in it, with a fresh nonce each: a proof is of no use on another connection, and
///   nobody can change what was said.
/// - The role is in it: a proof can't be sent back to its maker.
/// - The address is in it: a program that listens on another port can't pass the proofs on to the
///   server and take over the connection.
public struct TokenProver: ConnectionProver {
  private let token: Token
  private let address: String

  /// A prover for connections to `address`, which both sides must know by the same host and port.
  public init(_ token: Token, at address: SocketAddress) {
    self.token = token
    self.address = address.provenName
  }

  public func proof(of role: Session.Role, over transcript: [UInt8]) -> [UInt8] {
    let name =
      switch role {
      case .client: "client"
      case .server: "server"
      }
    let message = Array("telpher \(name) v1\n\(address)\n".utf8) + transcript
    var code = [UInt8](repeating: 0, count: WireConstants.proofLength)
    let isMade = telpher_hmac_sha256(
      token.bytes, token.bytes.count, message, message.count, &code)
    guard isMade == 1 else { preconditionFailure("libcrypto always has SHA-256") }
    return code
  }

  public func accepts(_ proof: [UInt8], of role: Session.Role, over transcript: [UInt8]) -> Bool {
    let expected = self.proof(of: role, over: transcript)
    guard proof.count == expected.count else { return false }
    return telpher_equal_in_constant_time(proof, expected, expected.count) == 1
  }
}

extension Hello.Auth {
  /// A fresh nonce: the first half of a proof by token.
  public static func fresh() -> Hello.Auth {
    Hello.Auth(nonce: Hexadecimal.text(RandomBytes.make(WireConstants.nonceLength)))
  }
}

extension SocketAddress {
  /// The name that both sides of a connection know the address by: a numeric host and the port.
  var provenName: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .tcp(let host, let port): "\(Self.canonical(host)):\(port)"
    }
  }

  /// `host` in the one way that inet_ntop(3) writes it.
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
